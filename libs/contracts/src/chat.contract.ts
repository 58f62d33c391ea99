import { z } from 'zod';

/**
 * The bodies of the OpenAI-compatible routes as this gateway documents them. Unknown fields are allowed on
 * purpose: on the same dialect they reach the upstream unchanged.
 * Source: OpenAI API reference, Anthropic Messages API reference.
 */
const contentPart = z.looseObject({
  type: z.string().meta({ examples: ['text', 'image_url', 'input_audio', 'file'] }),
  text: z.string().optional(),
});

export const chatMessage = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z.union([z.string(), z.array(contentPart), z.null()]).optional(),
  name: z.string().optional(),
  tool_calls: z.array(z.looseObject({})).optional(),
  tool_call_id: z.string().optional(),
});

const functionTool = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({
    name: z.string(),
    description: z.string().optional(),
    parameters: z.looseObject({}).optional(),
    strict: z.boolean().nullish(),
  }),
});

export const chatCompletionRequest = z
  .looseObject({
    model: z.string().meta({ description: 'A model id, `auto`, or `ensemble/…`.' }),
    messages: z.array(chatMessage).min(1),
    stream: z.boolean().nullish(),
    stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
    max_completion_tokens: z.int().positive().nullish(),
    max_tokens: z.int().positive().nullish(),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().min(0).max(1).nullish(),
    n: z.int().min(1).nullish(),
    stop: z.union([z.string(), z.array(z.string())]).nullish(),
    seed: z.int().nullish(),
    tools: z.array(functionTool).optional(),
    tool_choice: z.union([z.string(), z.looseObject({})]).optional(),
    parallel_tool_calls: z.boolean().optional(),
    response_format: z.looseObject({ type: z.string() }).optional(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish(),
    user: z.string().optional(),
  })
  .meta({
    examples: [{ model: 'auto', messages: [{ role: 'user', content: 'What is Sluice?' }] }],
  });

const USAGE = { prompt_tokens: 12, completion_tokens: 45, total_tokens: 57 };
const MODEL = { id: 'auto', object: 'model' as const, created: 1767225600, owned_by: 'sluice' };

const completionUsage = z.looseObject({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
});

export const chatCompletion = z
  .looseObject({
    id: z.string(),
    object: z.literal('chat.completion'),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.looseObject({
        index: z.int(),
        message: z.looseObject({ role: z.literal('assistant'), content: z.string().nullable() }),
        finish_reason: z.string(),
      }),
    ),
    usage: completionUsage.optional(),
  })
  .meta({
    examples: [
      {
        id: 'chatcmpl-1',
        object: 'chat.completion',
        created: 1767225600,
        model: 'sandbox-small',
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content: 'A gateway.' },
            finish_reason: 'stop',
          },
        ],
        usage: USAGE,
      },
    ],
  });

export const completionRequest = z
  .looseObject({
    model: z.string(),
    prompt: z.union([z.string(), z.array(z.string())]),
    stream: z.boolean().nullish(),
    max_tokens: z.int().positive().nullish(),
  })
  .meta({ examples: [{ model: 'sandbox-small', prompt: 'Once upon a time' }] });

export const completion = z
  .looseObject({
    id: z.string(),
    object: z.literal('text_completion'),
    created: z.int(),
    model: z.string(),
    choices: z.array(z.looseObject({ index: z.int(), text: z.string() })),
    usage: completionUsage.optional(),
  })
  .meta({
    examples: [
      {
        id: 'cmpl-1',
        object: 'text_completion',
        created: 1767225600,
        model: 'sandbox-small',
        choices: [{ index: 0, text: 'there was a gateway.' }],
        usage: USAGE,
      },
    ],
  });

export const completionBatchRequest = z
  .strictObject({
    requests: z
      .array(
        z.looseObject({
          model: z.string().optional(),
          prompt: z.string().optional(),
          messages: z.array(chatMessage).optional(),
        }),
      )
      .min(1)
      .max(1000),
    batch_options: z
      .strictObject({
        parallel: z.boolean().default(true),
        max_concurrent: z.int().min(1).max(64).default(8),
      })
      .prefault({}),
  })
  .meta({
    examples: [
      {
        requests: [
          { model: 'auto', prompt: 'What is TCP?' },
          { model: 'auto', messages: [{ role: 'user', content: 'Compare TCP with UDP.' }] },
        ],
        batch_options: { parallel: true, max_concurrent: 2 },
      },
    ],
  });

export const completionBatch = z
  .object({
    results: z.array(
      z.object({
        index: z.int(),
        status: z.int(),
        body: z.looseObject({}).optional(),
        error: z.looseObject({ message: z.string(), code: z.string() }).optional(),
      }),
    ),
    usage: completionUsage,
  })
  .meta({
    examples: [
      {
        results: [
          { index: 0, status: 200, body: { object: 'text_completion' } },
          { index: 1, status: 404, error: { message: 'No such model.', code: 'model_not_found' } },
        ],
        usage: USAGE,
      },
    ],
  });

export const embeddingRequest = z
  .looseObject({
    model: z.string(),
    input: z.union([
      z.string().min(1),
      z.array(z.string().min(1)).min(1).max(2048),
      z.array(z.int().nonnegative()).min(1).max(8192),
      z.array(z.array(z.int().nonnegative()).min(1)).min(1).max(2048),
    ]),
    encoding_format: z.enum(['float', 'base64']).default('float'),
    dimensions: z.int().positive().max(8192).optional(),
    user: z.string().optional(),
  })
  .meta({ examples: [{ model: 'sandbox-embedding', input: ['hello', 'world'] }] });

export const embeddingBatchRequest = z
  .looseObject({
    model: z.string(),
    texts: z.array(z.string().min(1)).min(1).max(10_000),
    batch_size: z.int().min(1).max(2048).default(256),
    encoding_format: z.enum(['float', 'base64']).default('float'),
    dimensions: z.int().positive().max(8192).optional(),
  })
  .meta({ examples: [{ model: 'sandbox-embedding', texts: ['hello', 'world'], batch_size: 64 }] });

export const embeddingList = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        object: z.literal('embedding'),
        index: z.int(),
        embedding: z.union([z.array(z.number()), z.string()]),
      }),
    ),
    model: z.string(),
    usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
  })
  .meta({
    examples: [
      {
        object: 'list',
        data: [{ object: 'embedding', index: 0, embedding: [0.1, -0.2] }],
        model: 'sandbox-embedding',
        usage: { prompt_tokens: 2, total_tokens: 2 },
      },
    ],
  });

export const messagesRequest = z
  .looseObject({
    model: z.string(),
    max_tokens: z.int().positive(),
    messages: z
      .array(
        z.looseObject({
          role: z.enum(['user', 'assistant', 'system']),
          content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]),
        }),
      )
      .min(1),
    system: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]).optional(),
    stream: z.boolean().optional(),
    tools: z.array(z.looseObject({})).optional(),
  })
  .meta({
    examples: [
      { model: 'auto', max_tokens: 256, messages: [{ role: 'user', content: 'What is Sluice?' }] },
    ],
  });

export const messagesAnswer = z
  .looseObject({
    id: z.string(),
    type: z.literal('message'),
    role: z.literal('assistant'),
    model: z.string(),
    content: z.array(z.looseObject({ type: z.string() })),
    stop_reason: z.string().nullable(),
    usage: z.looseObject({ input_tokens: z.int(), output_tokens: z.int() }),
  })
  .meta({
    examples: [
      {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'sandbox-small',
        content: [{ type: 'text', text: 'A gateway.' }],
        stop_reason: 'end_turn',
        usage: { input_tokens: 12, output_tokens: 45 },
      },
    ],
  });

export const countTokensRequest = z
  .looseObject({ model: z.string(), messages: z.array(z.looseObject({})).min(1) })
  .meta({ examples: [{ model: 'sandbox-small', messages: [{ role: 'user', content: 'Hi' }] }] });

export const countTokensAnswer = z
  .object({ input_tokens: z.int() })
  .meta({ examples: [{ input_tokens: 12 }] });

export const responsesRequest = z
  .looseObject({
    model: z.string(),
    input: z.union([z.string(), z.array(z.looseObject({}))]),
    instructions: z.string().nullish(),
    stream: z.boolean().nullish(),
    max_output_tokens: z.int().positive().nullish(),
    previous_response_id: z.string().nullish(),
  })
  .meta({ examples: [{ model: 'auto', input: 'What is Sluice?' }] });

export const responsesAnswer = z
  .looseObject({
    id: z.string(),
    object: z.literal('response'),
    status: z.string(),
    model: z.string(),
    output: z.array(z.looseObject({ type: z.string() })),
  })
  .meta({
    examples: [
      {
        id: 'resp_1',
        object: 'response',
        status: 'completed',
        model: 'sandbox-small',
        output: [
          {
            type: 'message',
            role: 'assistant',
            content: [{ type: 'output_text', text: 'A gateway.' }],
          },
        ],
      },
    ],
  });

export const plainChatRequest = z
  .looseObject({ messages: z.array(chatMessage).min(1) })
  .meta({ examples: [{ messages: [{ role: 'user', content: 'What is Sluice?' }] }] });

export const plainChatAnswer = z
  .object({
    id: z.string(),
    content: z.string().nullable(),
    model: z.string(),
    provider: z.string().nullable(),
    cache: z.string(),
    usage: completionUsage,
    cost_usd: z.number(),
  })
  .meta({
    examples: [
      {
        id: 'sandbox-1',
        content: 'A gateway.',
        model: 'sandbox-small',
        provider: 'sandbox',
        cache: 'miss',
        usage: USAGE,
        cost_usd: 0.000029,
      },
    ],
  });

export const modelObject = z
  .looseObject({
    id: z.string(),
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.string(),
  })
  .meta({ examples: [MODEL] });
export const modelList = z
  .object({ object: z.literal('list'), data: z.array(modelObject) })
  .meta({ examples: [{ object: 'list', data: [MODEL] }] });

export const openAiError = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});

/** `/v1/messages` and below. Source: Anthropic API reference, Errors. */
export const anthropicError = z.object({
  type: z.literal('error'),
  error: z.looseObject({ type: z.string(), message: z.string() }),
  request_id: z.string(),
});
