import { describe, expect, it } from '@jest/globals';
import {
  ChatCall,
  GatewayError,
  SYSTEM_CALLER,
  type Caller,
  type ChatMessage,
  type Message,
  usage,
} from '@sluice/kernel';
import { AnthropicWire, parseCountBody } from './anthropic.wire.js';
import { anthropicStatus } from './anthropic.format.js';
import { OpenAiCompletionsWire } from './openai-completions.wire.js';
import { OpenAiResponsesWire } from './openai-responses.wire.js';
import { responseId } from './openai-responses.format.js';
import { ResponseHistory } from './response-history.js';
import { SluiceWire } from './sluice.wire.js';
import { WireCatalogue } from './wire-catalogue.js';
import type { WireDialect } from './wire-dialect.js';

function paramOf(wire: WireDialect, body: unknown): string | undefined {
  try {
    wire.parse(body);
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    expect((error as GatewayError).code).toBe('invalid_request');
    return (error as GatewayError).param;
  }
  throw new Error('was accepted');
}

function callOf(wire: WireDialect, body: Record<string, unknown>): ChatCall {
  const { prompt } = wire.parse(body);
  return new ChatCall({
    id: '018f0000-0000-7000-8000-000000000001',
    caller: SYSTEM_CALLER,
    dialect: wire.name,
    model: 'm',
    stream: false,
    body,
    signal: new AbortController().signal,
    parse: prompt,
  });
}

const said: ChatMessage = {
  id: 'x',
  model: 'm',
  created: 1,
  choices: [{ index: 0, parts: [{ type: 'text', text: 'Good day.' }], finish: 'stop' }],
  usage: usage({ input: 3, output: 2 }),
};
const user = { role: 'user', content: 'hi' };

describe('Messages bodies', () => {
  const wire = new AnthropicWire();
  const body = (over: object): object => ({ max_tokens: 2000, messages: [user], ...over });
  const block = (content: object): object =>
    body({ messages: [{ role: 'user', content: [content] }] });

  it.each([
    [{ messages: [user] }, 'max_tokens'],
    [body({ max_tokens: 0 }), 'max_tokens'],
    [body({ messages: [] }), 'messages'],
    [body({ messages: [{ role: 'wizard', content: '' }] }), 'messages[0].role'],
    [body({ messages: [{ role: 'user' }] }), 'messages[0].content'],
    [body({ system: [{ type: 'image' }] }), 'system[0].type'],
    [body({ temperature: 1.1 }), 'temperature'],
    [body({ tools: [{ name: 'f' }] }), 'tools[0].input_schema'],
    [body({ tool_choice: { type: 'maybe' } }), 'tool_choice.type'],
    [body({ thinking: { type: 'enabled' } }), 'thinking.budget_tokens'],
    [body({ thinking: { type: 'enabled', budget_tokens: 10 } }), 'thinking.budget_tokens'],
    [body({ thinking: { type: 'enabled', budget_tokens: 2000 } }), 'max_tokens'],
    [body({ output_config: { effort: 'huge' } }), 'output_config.effort'],
    [block({ type: 'image', source: { type: 'ftp' } }), 'messages[0].content[0].source.type'],
    [block({ type: 'tool_result' }), 'messages[0].content[0].tool_use_id'],
  ])('%j are refused naming %s', (value, param) => {
    expect(paramOf(wire, value)).toBe(param);
  });

  it.each([
    [{ thinking: { type: 'disabled' } }, { reasoning: { effort: 'none' } }],
    [{ thinking: { type: 'adaptive' } }, { reasoning: { effort: 'high' } }],
    [{ output_config: { effort: 'max' } }, { reasoning: { effort: 'max' } }],
    [{ thinking: { type: 'between_tools' } }, { untranslated: ['thinking.type'] }],
    [{ tools: [{ type: 'web_search_20250305', name: 'w' }] }, { untranslated: ['tools[0]'] }],
    [{ output_format: { type: 'grammar' } }, { untranslated: ['output_format'] }],
    [{ context_management: {} }, { untranslated: ['context_management'] }],
  ])('understand %j', (over, expected) => {
    expect(wire.parse(body(over)).prompt()).toMatchObject(expected);
  });

  it.each([
    [
      { type: 'text', media_type: 'text/plain', data: 'abc' },
      { data: 'YWJj', mediaType: 'text/plain' },
    ],
    [{ type: 'url', url: 'https://x.test/a.pdf' }, { url: 'https://x.test/a.pdf' }],
    [{ type: 'file', file_id: 'f1' }, { fileId: 'f1' }],
  ])('understand documents from %j', (source, expected) => {
    const prompt = wire.parse(block({ type: 'document', title: 't', source })).prompt();
    expect(prompt.messages[0]?.parts).toEqual([{ type: 'file', name: 't', ...expected }]);
  });

  it('name what they cannot hold by its place', () => {
    const content = [
      {
        type: 'document',
        citations: { enabled: true },
        context: 'c',
        source: { type: 'file', file_id: 'f' },
      },
      { type: 'container_upload', file_id: 'f' },
      { type: 'tool_result', tool_use_id: 't', content: [{ type: 'search_result' }] },
    ];
    const at = 'messages[0].content';
    expect(
      wire.parse(body({ messages: [{ role: 'user', content }] })).prompt().untranslated,
    ).toEqual([...[`${at}[0].citations`, `${at}[0].context`, `${at}[1]`, `${at}[2].content[0]`]]);
  });

  it('may be counted without max_tokens', () => {
    const counted = parseCountBody({ model: 'm', messages: [user] });
    expect(counted).toMatchObject({ model: 'm', prompt: { messages: [{ role: 'user' }] } });
  });

  it('are answered with tool arguments that are no JSON under a key of their own', () => {
    const parts = [{ type: 'tool_call', id: 't', name: 'f', arguments: '{"a":' }] as const;
    const message = { ...said, choices: [{ index: 0, parts, finish: 'stop' as const }] };
    expect(wire.format(message)).toMatchObject({
      stop_reason: 'tool_use',
      content: [{ type: 'tool_use', input: { INVALID_JSON: '{"a":' } }],
    });
  });

  it('get 529 for overload and the field in the message of a refusal', () => {
    expect(anthropicStatus(new GatewayError('overloaded', 'busy'))).toBe(529);
    expect(anthropicStatus(new GatewayError('rate_limited', 'slow'))).toBe(429);
    const refusal = new GatewayError('invalid_request', 'No.', { param: 'top_k' });
    expect(wire.error(refusal, 'r').error).toEqual({
      type: 'invalid_request_error',
      message: 'top_k: No.',
    });
  });
});

describe('legacy completions', () => {
  const wire = new OpenAiCompletionsWire();

  it.each([
    [{}, 'prompt'],
    [{ prompt: [] }, 'prompt'],
    [{ prompt: [1, 'a'] }, 'prompt'],
    [{ prompt: ['a', 1] }, 'prompt[1]'],
    [{ prompt: 'a', max_tokens: -1 }, 'max_tokens'],
    [{ prompt: 'a', logprobs: 9 }, 'logprobs'],
    [{ prompt: 'a', echo: 'x' }, 'echo'],
  ])('%j are refused naming %s', (body, param) => {
    expect(paramOf(wire, body)).toBe(param);
  });

  it.each([[['a', 'b']], [[1, 2]], [[[1], [2]]]])(
    'leave the prompt %j to upstreams of their own dialect',
    (prompt) => {
      expect(wire.parse({ prompt }).prompt().untranslated).toEqual(['prompt']);
    },
  );

  it('take one prompt in an array, 16 tokens at most, and defaults spelled out', () => {
    expect(wire.parse({ prompt: ['a'], best_of: 1, suffix: '', logit_bias: {} }).prompt()).toEqual({
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'a' }] }],
      maxTokens: 16,
    });
  });

  it('tell logprobs as parallel lists', () => {
    const token = (text: string): object => ({
      token: text,
      logprob: -1,
      top_logprobs: [{ token: 'z', logprob: -2 }],
    });
    const choices = [{ ...said.choices[0]!, logprobs: { content: [token('Go'), token('od')] } }];
    const call = callOf(wire, { prompt: 'Hm: ', echo: true, logprobs: 1 });
    expect(wire.format({ ...said, choices }, call).choices).toEqual([
      {
        text: 'Hm: Good day.',
        index: 0,
        logprobs: {
          tokens: ['Go', 'od'],
          token_logprobs: [-1, -1],
          top_logprobs: [{ z: -2 }, { z: -2 }],
          text_offset: [4, 6],
        },
        finish_reason: 'stop',
      },
    ]);
  });
});

class MemoryHistory extends ResponseHistory {
  readonly turns = new Map<string, readonly Message[]>();
  override async load(id: string, caller: Caller): Promise<readonly Message[] | undefined> {
    return this.turns.get(`${caller.id} ${id}`);
  }
  override async save(id: string, caller: Caller, turn: readonly Message[]): Promise<void> {
    this.turns.set(`${caller.id} ${id}`, turn);
  }
}

describe('Responses', () => {
  const wire = new OpenAiResponsesWire();

  it.each([
    [{}, 'input'],
    [{ input: [] }, 'input'],
    [{ input: [{ role: 'wizard', content: 'x' }] }, 'input[0].role'],
    [{ input: [{ type: 'function_call', name: 'f' }] }, 'input[0].call_id'],
    [{ input: 'a', max_output_tokens: 0 }, 'max_output_tokens'],
    [{ input: 'a', text: { format: { type: 'xml' } } }, 'text.format.type'],
    [{ input: 'a', reasoning: { effort: 'huge' } }, 'reasoning.effort'],
    [{ input: 'a', tool_choice: { type: 'function', name: 'f' } }, 'tool_choice.name'],
    [{ input: 'a', previous_response_id: 'resp_1' }, 'previous_response_id'],
  ])('%j are refused naming %s', (body, param) => {
    expect(paramOf(wire, body)).toBe(param);
  });

  it('name what has no neutral form', () => {
    const body = {
      input: [user, { type: 'item_reference', id: 'i' }],
      tools: [{ type: 'web_search' }],
      tool_choice: { type: 'web_search' },
      include: ['file_search_call.results'],
      text: { verbosity: 'low' },
      background: true,
      truncation: 'disabled',
    };
    expect(wire.parse(body).prompt().untranslated).toEqual([
      ...['background', 'input[1]', 'include[0]', 'tools[0]', 'tool_choice', 'text.verbosity'],
    ]);
  });

  it('are continued by id where history is kept, without earlier instructions', async () => {
    const history = new MemoryHistory();
    const remembering = new OpenAiResponsesWire(history);
    const first = callOf(remembering, { input: 'hi', instructions: 'be brief' });
    await remembering.remember(first, said);
    const next = await remembering.prepare(
      { previous_response_id: responseId(first), input: 'and?' },
      first.caller,
    );
    expect(remembering.parse(next).prompt().messages).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'hi' }] },
      { role: 'assistant', parts: [{ type: 'text', text: 'Good day.' }] },
      { role: 'user', parts: [{ type: 'text', text: 'and?' }] },
    ]);
  });

  it("are not continued by another caller's id, nor kept against the caller's will", async () => {
    const history = new MemoryHistory();
    const remembering = new OpenAiResponsesWire(history);
    const first = callOf(remembering, { input: 'hi' });
    await remembering.remember(first, said);
    const stranger = { ...first.caller, id: 'stranger' };
    await expect(
      remembering.prepare({ previous_response_id: responseId(first), input: 'x' }, stranger),
    ).rejects.toMatchObject({ code: 'invalid_request', param: 'previous_response_id' });
    history.turns.clear();
    await remembering.remember(callOf(remembering, { input: 'hi', store: false }), said);
    expect(history.turns.size).toBe(0);
  });
});

describe('/chat', () => {
  it('is answered with who answered, from where and for how much', () => {
    const wire = new SluiceWire();
    const call = callOf(wire, { messages: [user] });
    call.journal.attempts.push({ model: 'a', provider: 'p', startedAt: 0, costMicroUsd: 1500 });
    call.journal.cache = { verdict: 'miss' };
    expect(wire.format(said, call)).toMatchObject({
      content: 'Good day.',
      model: 'a',
      provider: 'p',
      cache: 'miss',
      cost_usd: 0.0015,
      usage: { total_tokens: 5 },
    });
    expect(wire.error(new GatewayError('internal', 'x'))).toMatchObject({
      error: { code: 'internal' },
    });
  });
});

describe('the catalogue', () => {
  it('gives each dialect by its name and none by another', () => {
    const catalogue = new WireCatalogue();
    for (const wire of catalogue.all) expect(catalogue.get(wire.name)).toBe(wire);
    expect(() => catalogue.get('gemini')).toThrow(GatewayError);
  });
});
