import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GatewayError, type DialectName } from '@sluice/kernel';
import { converseInput } from '../../libs/providers/src/adapters/bedrock/bedrock.body.js';
import { promptText } from '../../libs/providers/src/adapters/mcp/mcp.body.js';
import { messagesBody } from '../../libs/providers/src/dialects/anthropic/anthropic.body.js';
import { contentBody } from '../../libs/providers/src/dialects/gemini/gemini.body.js';
import { completionBody } from '../../libs/providers/src/dialects/openai/openai-chat.body.js';
import { callOf, target } from './world.js';

const RUNS = Number(process.env.FUZZ_CASES ?? 300);

const schema = { type: 'object', properties: { city: { type: 'string' } } };
const png = 'data:image/png;base64,AAAA';

/** One body a door that has a bit of everything. */
const WHOLE: Readonly<Record<string, Record<string, unknown>>> = {
  'openai-chat': {
    model: 'm',
    messages: [
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        name: 'ann',
        content: [
          { type: 'text', text: 'hi', cache_control: { type: 'ephemeral', ttl: '1h' } },
          { type: 'image_url', image_url: { url: png, detail: 'low' } },
          { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
          { type: 'file', file: { filename: 'a.pdf', file_data: 'AAAA' } },
        ],
      },
      {
        role: 'assistant',
        content: null,
        refusal: null,
        reasoning_details: [{ type: 'reasoning.text', text: 'hm', signature: 's' }],
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
      },
      { role: 'tool', tool_call_id: 'a', content: [{ type: 'text', text: 'ok' }] },
    ],
    tools: [{ type: 'function', function: { name: 'f', parameters: schema, strict: true } }],
    tool_choice: { type: 'function', function: { name: 'f' } },
    response_format: { type: 'json_schema', json_schema: { name: 'r', schema, strict: true } },
    ...{ temperature: 0.5, top_p: 1, n: 1, seed: 1, stop: ['x'], max_tokens: 9 },
    ...{ logprobs: true, top_logprobs: 2, parallel_tool_calls: false, reasoning_effort: 'low' },
    ...{ stream: true, stream_options: { include_usage: true }, user: 'u', logit_bias: { 5: 1 } },
  },
  anthropic: {
    model: 'm',
    max_tokens: 3000,
    system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'x' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm', signature: 's' },
          { type: 'redacted_thinking', data: 'AAAA' },
          { type: 'tool_use', id: 'a', name: 'f', input: { a: 1 } },
        ],
      },
      {
        role: 'user',
        content: [
          {
            type: 'tool_result',
            tool_use_id: 'a',
            is_error: true,
            content: [{ type: 'text', text: 'x' }],
          },
        ],
      },
    ],
    tools: [{ name: 'f', input_schema: schema }],
    tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    thinking: { type: 'enabled', budget_tokens: 1024 },
    output_config: { effort: 'low', format: { type: 'json_schema', schema } },
    ...{ temperature: 1, top_p: 1, top_k: 5, stop_sequences: ['x'], metadata: { user_id: 'u' } },
  },
  'openai-responses': {
    model: 'm',
    instructions: 'Be brief.',
    input: [
      { role: 'user', content: [{ type: 'input_image', image_url: png, detail: 'auto' }] },
      {
        type: 'reasoning',
        id: 'rs',
        summary: [{ type: 'summary_text', text: 'hm' }],
        encrypted_content: 'signature:s',
      },
      { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'a', output: [{ type: 'input_text', text: 'x' }] },
    ],
    tools: [{ type: 'function', name: 'f', parameters: schema, strict: false }],
    tool_choice: 'required',
    text: { format: { type: 'json_schema', name: 'r', schema }, verbosity: 'low' },
    reasoning: { effort: 'low', summary: 'auto' },
    include: ['reasoning.encrypted_content'],
    ...{ temperature: 1, top_logprobs: 1, max_output_tokens: 9, metadata: {}, truncation: 'auto' },
  },
  'openai-completions': {
    ...{ model: 'm', prompt: 'Say: ', echo: true, logprobs: 2, best_of: 1, suffix: null, n: 1 },
    ...{ max_tokens: 5, stop: 'x', temperature: 1, stream: true, stream_options: {} },
  },
};

const ANYTHING = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(null, undefined, '', [], {}, [null], 0, -1, 1e308, true, 'auto', [[]]),
);

/** The value with some place in it replaced, removed or doubled. */
function damaged(value: unknown, steps: readonly number[], with_: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined || typeof value !== 'object' || value === null) return with_;
  if (Array.isArray(value)) {
    if (value.length === 0) return with_;
    const at = step % (value.length + 1);
    if (at === value.length) return [...(value as unknown[]), value[0]];
    return value.map((item: unknown, i) => (i === at ? damaged(item, rest, with_) : item));
  }
  const entries = Object.entries(value);
  const at = step % (entries.length + 1);
  return Object.fromEntries(
    entries.map(([key, member], i) => [key, i === at ? damaged(member, rest, with_) : member]),
  );
}

const WAYS_OUT = {
  own: (call: ReturnType<typeof callOf>) => completionBody(call, target('gpt'), true),
  copy: (call: ReturnType<typeof callOf>) => completionBody(call, target('x'), false),
  budgeted: (call: ReturnType<typeof callOf>) => messagesBody(call, target('claude-haiku-4-5')),
  adaptive: (call: ReturnType<typeof callOf>) => messagesBody(call, target('claude-opus-4-7')),
  gemini: (call: ReturnType<typeof callOf>) => contentBody(call, target('gemini')),
  bedrock: (call: ReturnType<typeof callOf>) => converseInput(call, target('anthropic.claude')),
  mcp: (call: ReturnType<typeof callOf>) => promptText(call, target('tool')),
};

describe('damaged requests', () => {
  it.each(Object.keys(WHOLE) as DialectName[])(
    'at the door of %s are refused by the name of a field, or go out whole: nothing else is thrown',
    (dialect) => {
      let refused = 0;
      let asked = 0;
      const paths = fc.array(fc.nat(40), { minLength: 1, maxLength: 6 });
      fc.assert(
        fc.property(
          fc.array(fc.tuple(paths, ANYTHING), { minLength: 1, maxLength: 2 }),
          (harms) => {
            let body: unknown = WHOLE[dialect];
            for (const [steps, with_] of harms) body = damaged(body, steps, with_);
            for (const unsupported of ['refuse', 'drop'] as const) {
              for (const [way, send] of Object.entries(WAYS_OUT)) {
                try {
                  const out = send(
                    callOf(dialect, body as Record<string, unknown>, { unsupported }),
                  );
                  if (way !== 'bedrock') JSON.stringify(out);
                  asked++;
                } catch (error) {
                  expect(error).toBeInstanceOf(GatewayError);
                  expect(error).toMatchObject({
                    code: 'invalid_request',
                    param: expect.any(String),
                  });
                  refused++;
                }
              }
            }
          },
        ),
        { numRuns: RUNS },
      );
      expect(Math.min(refused, asked)).toBeGreaterThan(RUNS);
    },
    10_000 + RUNS * 20,
  );
});
