import type { Script } from './scripted-upstream.js';

/** What a model says, apart from the protocol that it says it in. */
export interface Said {
  readonly text?: string;
  readonly calls?: readonly {
    readonly id: string;
    readonly name: string;
    readonly input: object;
  }[];
}

/** An answer of one provider: whole, and as the frames of a stream. */
interface Told {
  readonly whole: Script;
  readonly streamed: Script;
}

const USAGE = { input: 20, output: 10 };
const halves = (text: string): string[] => [
  text.slice(0, Math.ceil(text.length / 2)),
  text.slice(Math.ceil(text.length / 2)),
];
const named = (events: readonly { readonly type: string }[]): string[] =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);

/** Chat Completions: `ChatCompletion` and `ChatCompletionChunk` of the openai package. */
export function chatAnswer({ text, calls = [] }: Said): Told {
  const finish = calls.length > 0 ? 'tool_calls' : 'stop';
  const head = { id: 'chatcmpl-1', created: 1735689600, model: 'gpt-test' };
  const usage = {
    prompt_tokens: USAGE.input,
    completion_tokens: USAGE.output,
    total_tokens: USAGE.input + USAGE.output,
  };
  const toolCalls = calls.map(({ id, name, input }) => ({
    id,
    type: 'function',
    function: { name, arguments: JSON.stringify(input) },
  }));
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    usage: null,
  });
  const message = {
    role: 'assistant',
    content: text ?? null,
    refusal: null,
    ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }),
  };
  return {
    whole: {
      json: {
        ...head,
        object: 'chat.completion',
        choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
        usage,
      },
    },
    streamed: {
      sse: [
        chunk({ role: 'assistant', content: text === undefined ? null : '' }),
        ...halves(text ?? '')
          .filter((half) => half !== '')
          .map((content) => chunk({ content })),
        ...toolCalls.flatMap(({ function: { name, arguments: json }, ...call }, index) => [
          chunk({ tool_calls: [{ index, ...call, function: { name, arguments: '' } }] }),
          ...halves(json).map((piece) =>
            chunk({ tool_calls: [{ index, function: { arguments: piece } }] }),
          ),
        ]),
        chunk({}, finish),
        { ...head, object: 'chat.completion.chunk', choices: [], usage },
      ],
    },
  };
}

/** Messages: `Message` and `RawMessageStreamEvent` of the Anthropic package. */
export function messagesAnswer({ text, calls = [] }: Said): Told {
  const end = { stop_reason: calls.length > 0 ? 'tool_use' : 'end_turn', stop_sequence: null };
  const head = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-test' };
  const usage = { input_tokens: USAGE.input, output_tokens: USAGE.output };
  const blocks = [
    ...(text === undefined ? [] : [{ type: 'text', text }]),
    ...calls.map((call) => ({ type: 'tool_use', ...call })),
  ];
  const events = blocks.flatMap((block, index) => {
    const isText = 'text' in block;
    const pieces = halves(isText ? block.text : JSON.stringify(block.input));
    return [
      {
        type: 'content_block_start',
        index,
        content_block: isText ? { ...block, text: '' } : { ...block, input: {} },
      },
      ...pieces.map((piece) => ({
        type: 'content_block_delta',
        index,
        delta: isText
          ? { type: 'text_delta', text: piece }
          : { type: 'input_json_delta', partial_json: piece },
      })),
      { type: 'content_block_stop', index },
    ];
  });
  return {
    whole: { json: { ...head, content: blocks, ...end, usage } },
    streamed: {
      done: false,
      sse: named([
        {
          type: 'message_start',
          message: {
            ...head,
            content: [],
            stop_reason: null,
            stop_sequence: null,
            usage: { ...usage, output_tokens: 1 },
          },
        } as { type: string },
        ...events,
        { type: 'message_delta', delta: end, usage: { output_tokens: USAGE.output } } as {
          type: string;
        },
        { type: 'message_stop' },
      ]),
    },
  };
}

const part = (text: string) => ({ type: 'output_text', text, annotations: [], logprobs: [] });

/** Responses: `Response` and `ResponseStreamEvent` of the openai package. */
export function responsesAnswer({ text, calls = [] }: Said): Told {
  const message = {
    id: 'msg_1',
    type: 'message',
    status: 'completed',
    role: 'assistant',
    content: [part(text ?? '')],
  };
  const output = [
    ...(text === undefined ? [] : [message]),
    ...calls.map(({ id, name, input }) => ({
      id: `fc_${id}`,
      type: 'function_call',
      status: 'completed',
      call_id: id,
      name,
      arguments: JSON.stringify(input),
    })),
  ];
  const response = {
    id: 'resp_1',
    object: 'response',
    created_at: 1735689600,
    status: 'completed',
    error: null,
    incomplete_details: null,
    instructions: null,
    model: 'gpt-test',
    output,
    parallel_tool_calls: true,
    tool_choice: 'auto',
    tools: [],
    usage: {
      input_tokens: USAGE.input,
      input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
      output_tokens: USAGE.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: USAGE.input + USAGE.output,
    },
  };
  const begun = { ...response, status: 'in_progress', output: [], usage: null };
  const events = output.flatMap((item, output_index): { type: string }[] => {
    const at = { item_id: item.id, output_index };
    const said = 'content' in item;
    const added = said ? { ...item, content: [] } : { ...item, arguments: '' };
    const pieces = halves(said ? (text ?? '') : item.arguments);
    const kind = said ? 'response.output_text' : 'response.function_call_arguments';
    const place = said ? { ...at, content_index: 0, logprobs: [] } : at;
    return [
      {
        type: 'response.output_item.added',
        output_index,
        item: { ...added, status: 'in_progress' },
      },
      ...(said ? [{ type: 'response.content_part.added', ...place, part: part('') }] : []),
      ...pieces.map((delta) => ({ type: `${kind}.delta`, ...place, delta })),
      { type: `${kind}.done`, ...place, ...(said ? { text } : { arguments: item.arguments }) },
      ...(said ? [{ type: 'response.content_part.done', ...place, part: part(text ?? '') }] : []),
      { type: 'response.output_item.done', output_index, item },
    ] as { type: string }[];
  });
  const all = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...events,
    { type: 'response.completed', response },
  ].map((event, sequence_number) => ({ ...event, sequence_number }));
  return { whole: { json: response }, streamed: { done: false, sse: named(all) } };
}
