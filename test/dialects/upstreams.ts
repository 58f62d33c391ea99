import type { DialectName } from '@sluice/kernel';

/**
 * One answer as each provider sends it: a signed thought where there is one, text, two tool calls at once, usage with cached and
 * reasoning tokens. Written after the providers' documentation.
 */
export interface UpstreamAnswer {
  readonly dialect: DialectName;
  readonly signature: boolean;
  readonly json: Record<string, unknown>;
  /** SSE events. */
  readonly stream: readonly { readonly event?: string; readonly data: string }[];
}

const data = (...values: unknown[]): { data: string }[] =>
  values.map((value) => ({ data: typeof value === 'string' ? value : JSON.stringify(value) }));
const named = (
  ...values: { type: string; [key: string]: unknown }[]
): { event: string; data: string }[] =>
  values.map((value) => ({ event: value.type, data: JSON.stringify(value) }));

const chunk = (choices: unknown[], usage: unknown = null): object => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1735689600,
  model: 'gpt-5',
  service_tier: 'default',
  choices,
  usage,
});
const delta = (value: object, finish_reason: string | null = null): object =>
  chunk([{ index: 0, delta: value, logprobs: null, finish_reason }]);
const chatUsage = {
  prompt_tokens: 100,
  completion_tokens: 30,
  total_tokens: 130,
  prompt_tokens_details: { cached_tokens: 40, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 10, accepted_prediction_tokens: 0 },
};

const geminiUsage = {
  promptTokenCount: 100,
  candidatesTokenCount: 20,
  thoughtsTokenCount: 10,
  cachedContentTokenCount: 40,
  totalTokenCount: 130,
};
const gemini = (parts: unknown[], more: object = {}): object => ({
  candidates: [{ index: 0, content: { role: 'model', parts }, ...more }],
  usageMetadata: geminiUsage,
  modelVersion: 'gemini-2.5-pro',
  responseId: 'resp1',
});
const callPart = (city: string): object => ({
  functionCall: { id: `call_${city}`, name: 'weather', args: { city } },
});

export const ANSWERS: readonly UpstreamAnswer[] = [
  {
    dialect: 'openai-chat',
    signature: false,
    json: {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1735689600,
      model: 'gpt-5',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'Looking it up.',
            refusal: null,
            reasoning_content: 'Two cities.',
            tool_calls: ['Oslo', 'Rome'].map((city) => ({
              id: `call_${city}`,
              type: 'function',
              function: { name: 'weather', arguments: JSON.stringify({ city }) },
            })),
          },
          logprobs: null,
          finish_reason: 'tool_calls',
        },
      ],
      usage: chatUsage,
      service_tier: 'default',
    },
    stream: data(
      delta({ role: 'assistant', content: '', refusal: null }),
      delta({ reasoning_content: 'Two ' }),
      delta({ reasoning_content: 'cities.' }),
      delta({ content: 'Looking ' }),
      delta({ content: 'it up.' }),
      delta({
        tool_calls: [
          {
            index: 0,
            id: 'call_Oslo',
            type: 'function',
            function: { name: 'weather', arguments: '' },
          },
        ],
      }),
      delta({ tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }),
      delta({ tool_calls: [{ index: 0, function: { arguments: '"Oslo"}' } }] }),
      delta({
        tool_calls: [
          {
            index: 1,
            id: 'call_Rome',
            type: 'function',
            function: { name: 'weather', arguments: '' },
          },
        ],
      }),
      delta({ tool_calls: [{ index: 1, function: { arguments: '{"city":"Rome"}' } }] }),
      delta({}, 'tool_calls'),
      chunk([], chatUsage),
      '[DONE]',
    ),
  },
  {
    dialect: 'anthropic',
    signature: true,
    json: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5',
      content: [
        { type: 'thinking', thinking: 'Two cities.', signature: 'c2lnbmVk' },
        { type: 'text', text: 'Looking it up.' },
        { type: 'tool_use', id: 'call_Oslo', name: 'weather', input: { city: 'Oslo' } },
        { type: 'tool_use', id: 'call_Rome', name: 'weather', input: { city: 'Rome' } },
      ],
      stop_reason: 'tool_use',
      stop_sequence: null,
      usage: {
        input_tokens: 60,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 40,
        output_tokens: 30,
        output_tokens_details: { thinking_tokens: 10 },
        service_tier: 'standard',
      },
    },
    stream: named(
      {
        type: 'message_start',
        message: {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: 'claude-sonnet-4-5',
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: {
            input_tokens: 60,
            cache_read_input_tokens: 40,
            cache_creation_input_tokens: 0,
            output_tokens: 1,
          },
        },
      },
      {
        type: 'content_block_start',
        index: 0,
        content_block: { type: 'thinking', thinking: '', signature: '' },
      },
      { type: 'ping' },
      {
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'thinking_delta', thinking: 'Two cities.' },
      },
      {
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'signature_delta', signature: 'c2lnbmVk' },
      },
      { type: 'content_block_stop', index: 0 },
      { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'Looking ' } },
      { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'it up.' } },
      { type: 'content_block_stop', index: 1 },
      {
        type: 'content_block_start',
        index: 2,
        content_block: { type: 'tool_use', id: 'call_Oslo', name: 'weather', input: {} },
      },
      {
        type: 'content_block_delta',
        index: 2,
        delta: { type: 'input_json_delta', partial_json: '' },
      },
      {
        type: 'content_block_delta',
        index: 2,
        delta: { type: 'input_json_delta', partial_json: '{"city":"Oslo"}' },
      },
      { type: 'content_block_stop', index: 2 },
      {
        type: 'content_block_start',
        index: 3,
        content_block: { type: 'tool_use', id: 'call_Rome', name: 'weather', input: {} },
      },
      {
        type: 'content_block_delta',
        index: 3,
        delta: { type: 'input_json_delta', partial_json: '{"city":"Rome"}' },
      },
      { type: 'content_block_stop', index: 3 },
      {
        type: 'message_delta',
        delta: { stop_reason: 'tool_use', stop_sequence: null },
        usage: { output_tokens: 30, output_tokens_details: { thinking_tokens: 10 } },
      },
      { type: 'message_stop' },
    ),
  },
  {
    dialect: 'gemini',
    signature: true,
    json: gemini(
      [
        { text: 'Two cities.', thought: true },
        { text: 'Looking it up.' },
        { ...callPart('Oslo'), thoughtSignature: 'c2lnbmVk' },
        callPart('Rome'),
      ],
      { finishReason: 'STOP' },
    ) as Record<string, unknown>,
    stream: data(
      gemini([{ text: 'Two ', thought: true }]),
      gemini([{ text: 'cities.', thought: true }]),
      gemini([{ text: 'Looking ' }]),
      gemini([{ text: 'it up.' }]),
      gemini([{ ...callPart('Oslo'), thoughtSignature: 'c2lnbmVk' }, callPart('Rome')], {
        finishReason: 'STOP',
      }),
    ),
  },
];
