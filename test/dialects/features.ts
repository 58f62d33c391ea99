import type { DialectName } from '@sluice/kernel';

type Body = Record<string, unknown>;
export interface Feature {
  readonly name: string;
  /** What tells in the outgoing JSON that the feature arrived. */
  readonly mark: RegExp;
  /** How each dialect says it; a dialect that is left out cannot. */
  readonly says: Partial<Record<DialectName, Body>>;
}

const schema = { type: 'object', properties: { MARK: { type: 'string' } } };
const user = { role: 'user', content: 'hi' };
// Whole groups of four: decoded and encoded again, as the AWS SDK does, they are the same.
const png = 'iVBORw0KGgoMARKA';
const pdf = 'JVBERi0MARKMARKA';
const chat = (over: Body): Body => ({ model: 'm', messages: [user], ...over });
const responses = (over: Body): Body => ({ model: 'm', input: 'hi', ...over });
const anthropic = (over: Body): Body => ({ model: 'm', max_tokens: 50, messages: [user], ...over });
const legacy = (over: Body): Body => ({ model: 'm', prompt: 'hi', ...over });

const chatTools = [{ type: 'function', function: { name: 'lookup', parameters: schema } }];
const responsesTools = [{ type: 'function', name: 'lookup', parameters: schema, strict: false }];
const anthropicTools = [{ name: 'lookup', input_schema: schema }];

/** The same words for both dialects whose body is Chat Completions. */
const both = (body: Body): Partial<Record<DialectName, Body>> => ({
  'openai-chat': body,
  sluice: body,
});

const parts = (...content: Body[]): Body => ({ role: 'user', content });

export const FEATURES: readonly Feature[] = [
  {
    name: 'text',
    mark: /MARK/,
    says: {
      ...both(chat({ messages: [{ role: 'user', content: 'MARK' }] })),
      'openai-responses': responses({ input: 'MARK' }),
      'openai-completions': legacy({ prompt: 'MARK' }),
      anthropic: anthropic({ messages: [{ role: 'user', content: 'MARK' }] }),
    },
  },
  {
    name: 'system message',
    mark: /MARK/,
    says: {
      ...both(chat({ messages: [{ role: 'system', content: 'MARK' }, user] })),
      'openai-responses': responses({ instructions: 'MARK' }),
      anthropic: anthropic({
        system: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'MARK' },
        ],
      }),
    },
  },
  {
    name: 'system message later on',
    mark: /MARK/,
    says: both(chat({ messages: [user, { role: 'system', content: 'MARK' }, user] })),
  },
  {
    name: 'image (bytes)',
    mark: new RegExp(png),
    says: {
      ...both(
        chat({
          messages: [
            parts({ type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } }),
          ],
        }),
      ),
      'openai-responses': responses({
        input: [parts({ type: 'input_image', image_url: `data:image/png;base64,${png}` })],
      }),
      anthropic: anthropic({
        messages: [
          parts({ type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } }),
        ],
      }),
    },
  },
  {
    name: 'image (URL)',
    mark: /MARK\.png/,
    says: {
      ...both(
        chat({
          messages: [parts({ type: 'image_url', image_url: { url: 'https://x.test/MARK.png' } })],
        }),
      ),
      'openai-responses': responses({
        input: [parts({ type: 'input_image', image_url: 'https://x.test/MARK.png' })],
      }),
      anthropic: anthropic({
        messages: [
          parts({ type: 'image', source: { type: 'url', url: 'https://x.test/MARK.png' } }),
        ],
      }),
    },
  },
  {
    name: 'file (bytes)',
    mark: new RegExp(pdf),
    says: {
      ...both(
        chat({
          messages: [
            parts({
              type: 'file',
              file: { filename: 'a', file_data: `data:application/pdf;base64,${pdf}` },
            }),
          ],
        }),
      ),
      'openai-responses': responses({
        input: [
          parts({
            type: 'input_file',
            filename: 'a',
            file_data: `data:application/pdf;base64,${pdf}`,
          }),
        ],
      }),
      anthropic: anthropic({
        messages: [
          parts({
            type: 'document',
            source: { type: 'base64', media_type: 'application/pdf', data: pdf },
          }),
        ],
      }),
    },
  },
  {
    name: 'audio',
    mark: /MARK/,
    says: both(
      chat({
        messages: [parts({ type: 'input_audio', input_audio: { data: 'MARK', format: 'wav' } })],
      }),
    ),
  },
  {
    name: 'tools',
    mark: /lookup.*MARK/s,
    says: {
      ...both(chat({ tools: chatTools })),
      'openai-responses': responses({ tools: responsesTools }),
      anthropic: anthropic({ tools: anthropicTools }),
    },
  },
  {
    name: 'parallel tool calls and results',
    mark: /lookup.*Aq1.*Bq2.*Ar1.*Br2/s,
    says: {
      ...both(
        chat({
          tools: chatTools,
          messages: [
            user,
            {
              role: 'assistant',
              content: null,
              tool_calls: [
                {
                  id: 'c1',
                  type: 'function',
                  function: { name: 'lookup', arguments: '{"q":"Aq1"}' },
                },
                {
                  id: 'c2',
                  type: 'function',
                  function: { name: 'lookup', arguments: '{"q":"Bq2"}' },
                },
              ],
            },
            { role: 'tool', tool_call_id: 'c1', content: 'Ar1' },
            { role: 'tool', tool_call_id: 'c2', content: 'Br2' },
          ],
        }),
      ),
      'openai-responses': responses({
        tools: responsesTools,
        input: [
          user,
          { type: 'function_call', call_id: 'c1', name: 'lookup', arguments: '{"q":"Aq1"}' },
          { type: 'function_call', call_id: 'c2', name: 'lookup', arguments: '{"q":"Bq2"}' },
          { type: 'function_call_output', call_id: 'c1', output: 'Ar1' },
          { type: 'function_call_output', call_id: 'c2', output: 'Br2' },
        ],
      }),
      anthropic: anthropic({
        tools: anthropicTools,
        messages: [
          user,
          {
            role: 'assistant',
            content: [
              { type: 'tool_use', id: 'c1', name: 'lookup', input: { q: 'Aq1' } },
              { type: 'tool_use', id: 'c2', name: 'lookup', input: { q: 'Bq2' } },
            ],
          },
          parts(
            { type: 'tool_result', tool_use_id: 'c1', content: 'Ar1' },
            { type: 'tool_result', tool_use_id: 'c2', content: [{ type: 'text', text: 'Br2' }] },
          ),
        ],
      }),
    },
  },
  {
    name: 'tool choice: one tool',
    mark: /"(?:tool_choice|toolChoice|allowedFunctionNames)":.*lookup/s,
    says: {
      ...both(
        chat({ tools: chatTools, tool_choice: { type: 'function', function: { name: 'lookup' } } }),
      ),
      'openai-responses': responses({
        tools: responsesTools,
        tool_choice: { type: 'function', name: 'lookup' },
      }),
      anthropic: anthropic({
        tools: anthropicTools,
        tool_choice: { type: 'tool', name: 'lookup' },
      }),
    },
  },
  {
    name: 'tool choice: none',
    mark: /"none"|NONE/,
    says: {
      ...both(chat({ tools: chatTools, tool_choice: 'none' })),
      'openai-responses': responses({ tools: responsesTools, tool_choice: 'none' }),
      anthropic: anthropic({ tools: anthropicTools, tool_choice: { type: 'none' } }),
    },
  },
  {
    name: 'one tool call at a time',
    mark: /"parallel_tool_calls":false|"disable_parallel_tool_use":true/,
    says: {
      ...both(chat({ tools: chatTools, parallel_tool_calls: false })),
      'openai-responses': responses({ tools: responsesTools, parallel_tool_calls: false }),
      anthropic: anthropic({
        tools: anthropicTools,
        tool_choice: { type: 'auto', disable_parallel_tool_use: true },
      }),
    },
  },
  {
    name: 'output by JSON schema',
    mark: /MARK/,
    says: {
      ...both(
        chat({
          response_format: {
            type: 'json_schema',
            json_schema: { name: 'out', schema, strict: true },
          },
        }),
      ),
      'openai-responses': responses({
        text: { format: { type: 'json_schema', name: 'out', schema } },
      }),
      anthropic: anthropic({ output_config: { format: { type: 'json_schema', schema } } }),
    },
  },
  {
    name: 'output as any JSON',
    mark: /json_object|application\/json/,
    says: {
      ...both(chat({ response_format: { type: 'json_object' } })),
      'openai-responses': responses({ text: { format: { type: 'json_object' } } }),
    },
  },
  {
    name: 'reasoning effort',
    mark: /"reasoning_effort":|"effort":"high"|budget_tokens|thinkingBudget/,
    says: {
      ...both(chat({ reasoning_effort: 'high' })),
      'openai-responses': responses({ reasoning: { effort: 'high' } }),
      anthropic: anthropic({
        max_tokens: 9000,
        thinking: { type: 'enabled', budget_tokens: 8000 },
      }),
    },
  },
  {
    name: 'signed reasoning of earlier turns',
    mark: /SIGNATURE/,
    says: {
      ...both(
        chat({
          messages: [
            user,
            {
              role: 'assistant',
              content: 'ok',
              reasoning_details: [{ type: 'reasoning.text', text: 'hm', signature: 'SIGNATURE' }],
            },
            user,
          ],
        }),
      ),
      'openai-responses': responses({
        input: [
          user,
          {
            type: 'reasoning',
            id: 'rs_1',
            summary: [{ type: 'summary_text', text: 'hm' }],
            encrypted_content: 'signature:SIGNATURE',
          },
          { role: 'assistant', content: 'ok' },
          user,
        ],
      }),
      anthropic: anthropic({
        messages: [
          user,
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: 'hm', signature: 'SIGNATURE' },
              { type: 'text', text: 'ok' },
            ],
          },
          user,
        ],
      }),
    },
  },
  {
    name: 'prompt-cache markers',
    mark: /cache_control|cachePoint/,
    says: {
      ...both(
        chat({
          messages: [parts({ type: 'text', text: 'hi', cache_control: { type: 'ephemeral' } })],
        }),
      ),
      'openai-responses': responses({
        input: [
          parts({ type: 'input_text', text: 'hi', prompt_cache_breakpoint: { mode: 'explicit' } }),
        ],
      }),
      anthropic: anthropic({
        messages: [parts({ type: 'text', text: 'hi', cache_control: { type: 'ephemeral' } })],
      }),
    },
  },
  {
    name: 'temperature',
    mark: /"temperature":0.375/,
    says: {
      ...both(chat({ temperature: 0.375 })),
      'openai-responses': responses({ temperature: 0.375 }),
      'openai-completions': legacy({ temperature: 0.375 }),
      anthropic: anthropic({ temperature: 0.375 }),
    },
  },
  {
    name: 'temperature above 1',
    mark: /"temperature":1.5/,
    says: {
      ...both(chat({ temperature: 1.5 })),
      'openai-responses': responses({ temperature: 1.5 }),
      'openai-completions': legacy({ temperature: 1.5 }),
    },
  },
  {
    name: 'top-p',
    mark: /0.4375/,
    says: {
      ...both(chat({ top_p: 0.4375 })),
      'openai-responses': responses({ top_p: 0.4375 }),
      'openai-completions': legacy({ top_p: 0.4375 }),
      anthropic: anthropic({ top_p: 0.4375 }),
    },
  },
  {
    name: 'top-k',
    mark: /"(?:top_k|topK)":37/,
    says: { ...both(chat({ top_k: 37 })), anthropic: anthropic({ top_k: 37 }) },
  },
  {
    name: 'longest answer',
    mark: /7777/,
    says: {
      ...both(chat({ max_completion_tokens: 7777 })),
      'openai-responses': responses({ max_output_tokens: 7777 }),
      'openai-completions': legacy({ max_tokens: 7777 }),
      anthropic: anthropic({ max_tokens: 7777 }),
    },
  },
  {
    name: 'stop sequences',
    mark: /MARK/,
    says: {
      ...both(chat({ stop: ['MARK'] })),
      'openai-completions': legacy({ stop: 'MARK' }),
      anthropic: anthropic({ stop_sequences: ['MARK'] }),
    },
  },
  {
    name: 'several choices (n)',
    mark: /"(?:n|candidateCount)":3/,
    says: { ...both(chat({ n: 3 })), 'openai-completions': legacy({ n: 3 }) },
  },
  {
    name: 'seed',
    mark: /"seed":4242/,
    says: { ...both(chat({ seed: 4242 })), 'openai-completions': legacy({ seed: 4242 }) },
  },
  {
    name: 'frequency and presence penalties',
    mark: /0.625/,
    says: {
      ...both(chat({ frequency_penalty: 0.625 })),
      'openai-completions': legacy({ frequency_penalty: 0.625 }),
    },
  },
  {
    name: 'log probabilities',
    mark: /"(?:logprobs|responseLogprobs)":true/,
    says: {
      ...both(chat({ logprobs: true })),
      'openai-responses': responses({ include: ['message.output_text.logprobs'] }),
      'openai-completions': legacy({ logprobs: 2 }),
    },
  },
  {
    name: "the end user's id",
    mark: /MARK/,
    says: {
      ...both(chat({ user: 'MARK' })),
      'openai-responses': responses({ user: 'MARK' }),
      'openai-completions': legacy({ user: 'MARK' }),
      anthropic: anthropic({ metadata: { user_id: 'MARK' } }),
    },
  },
  {
    name: 'a field of the dialect alone',
    mark: /MARK/,
    says: {
      ...both(chat({ logit_bias: { MARK: 1 } })),
      'openai-responses': responses({ prompt: { id: 'MARK' } }),
      'openai-completions': legacy({ suffix: 'MARK' }),
      anthropic: anthropic({ mcp_servers: [{ name: 'MARK' }] }),
    },
  },
];
