import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ChatChunk,
  GatewayError,
  MessageAssembler,
  eventsOf,
  type ChatCall,
  type ChatMessage,
  type DialectName,
} from '@sluice/kernel';
import { ANSWERS, type UpstreamAnswer } from './upstreams.js';
import { PROVIDERS, WIRES, callOf, sseEvents, target } from './world.js';

const providerOf = (answer: UpstreamAnswer) => PROVIDERS.find((p) => p.name === answer.dialect)!;
const BODIES: Partial<Record<DialectName, Record<string, unknown>>> = {
  'openai-responses': { model: 'm', input: 'hi' },
  'openai-completions': { model: 'm', prompt: 'hi' },
  anthropic: { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] },
};
const CHAT = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

const callFrom = (dialect: DialectName, stream: boolean): ChatCall =>
  callOf(dialect, {
    ...(BODIES[dialect] ?? CHAT),
    stream,
    ...(dialect === 'openai-chat' ? { stream_options: { include_usage: true } } : {}),
  });

/** The chunks that a provider's dialect reads from its stream. */
function chunksOf(answer: UpstreamAnswer, call: ChatCall): ChatChunk[] {
  const reader = providerOf(answer).reader(call);
  const chunks = answer.stream.flatMap(({ event, data }) => reader.read({ event, data }) ?? []);
  expect(reader.done()).toBe(true);
  expect(reader.usage()).toMatchObject({ input: 100, output: 30, cachedInput: 40, reasoning: 10 });
  return chunks;
}

/** What a caller of each dialect understands of an answer, brought to one form. */
interface Understood {
  text: string;
  reasoning: string;
  signature: string | undefined;
  calls: { id: string; name: string; arguments: unknown }[];
  finish: string;
  input: number;
  output: number;
}
const EXPECTED = {
  text: 'Looking it up.',
  reasoning: 'Two cities.',
  calls: [
    { id: 'call_Oslo', name: 'weather', arguments: { city: 'Oslo' } },
    { id: 'call_Rome', name: 'weather', arguments: { city: 'Rome' } },
  ],
};

const UNDERSTAND: Partial<Record<DialectName, (body: any) => Understood>> = {
  'openai-chat': (body) => {
    const { message, finish_reason } = body.choices[0];
    return {
      text: message.content,
      reasoning: message.reasoning_content,
      signature: message.reasoning_details?.find((d: any) => d.signature)?.signature,
      calls: message.tool_calls.map((call: any) => ({
        id: call.id,
        name: call.function.name,
        arguments: JSON.parse(call.function.arguments),
      })),
      finish: finish_reason,
      input: body.usage.prompt_tokens,
      output: body.usage.completion_tokens,
    };
  },
  anthropic: (body) => ({
    text: body.content
      .filter((b: any) => b.type === 'text')
      .map((b: any) => b.text)
      .join(''),
    reasoning: body.content
      .filter((b: any) => b.type === 'thinking')
      .map((b: any) => b.thinking)
      .join(''),
    signature: body.content.find((b: any) => b.signature)?.signature,
    calls: body.content
      .filter((b: any) => b.type === 'tool_use')
      .map((b: any) => ({ id: b.id, name: b.name, arguments: b.input })),
    finish: body.stop_reason,
    input: body.usage.input_tokens + body.usage.cache_read_input_tokens,
    output: body.usage.output_tokens,
  }),
  'openai-responses': (body) => ({
    text: body.output
      .filter((i: any) => i.type === 'message')
      .flatMap((i: any) => i.content.map((c: any) => c.text))
      .join(''),
    reasoning: body.output
      .filter((i: any) => i.type === 'reasoning')
      .flatMap((i: any) => i.summary.map((s: any) => s.text))
      .join(''),
    signature: body.output
      .find((i: any) => i.encrypted_content)
      ?.encrypted_content.replace('signature:', ''),
    calls: body.output
      .filter((i: any) => i.type === 'function_call')
      .map((i: any) => ({ id: i.call_id, name: i.name, arguments: JSON.parse(i.arguments) })),
    finish: body.status,
    input: body.usage.input_tokens,
    output: body.usage.output_tokens,
  }),
};

const FINISH: Partial<Record<DialectName, string>> = {
  'openai-chat': 'tool_calls',
  anthropic: 'tool_use',
  'openai-responses': 'completed',
};

/** Puts a stream of each dialect together again, as its SDK does. */
const ASSEMBLE: Partial<Record<DialectName, (text: string) => any>> = {
  'openai-chat': (text) => {
    const events = sseEvents(text);
    expect(events.at(-1)!.data).toBe('[DONE]');
    const message: any = {
      content: '',
      reasoning_content: '',
      reasoning_details: [],
      tool_calls: [],
    };
    let finish_reason: string | null = null;
    let usage: unknown;
    for (const { data } of events.slice(0, -1)) {
      const chunk = JSON.parse(data);
      usage = chunk.usage ?? usage;
      for (const choice of chunk.choices) {
        message.content += choice.delta.content ?? '';
        message.reasoning_content += choice.delta.reasoning_content ?? '';
        message.reasoning_details.push(...(choice.delta.reasoning_details ?? []));
        for (const call of choice.delta.tool_calls ?? []) {
          const open = (message.tool_calls[call.index] ??= {
            function: { name: '', arguments: '' },
          });
          open.id ??= call.id;
          open.function.name += call.function.name ?? '';
          open.function.arguments += call.function.arguments ?? '';
        }
        finish_reason = choice.finish_reason ?? finish_reason;
      }
    }
    return { choices: [{ message, finish_reason }], usage };
  },
  anthropic: (text) => {
    const events = sseEvents(text);
    expect(events[0]!.event).toBe('message_start');
    expect(events.at(-1)!.event).toBe('message_stop');
    let message: any;
    let open: number | undefined;
    const json: string[] = [];
    for (const { event, data } of events) {
      const value = JSON.parse(data);
      expect(value.type).toBe(event);
      if (event === 'message_start') message = value.message;
      else if (event === 'content_block_start') {
        expect(open).toBeUndefined();
        expect(value.index).toBe(message.content.length);
        open = value.index;
        message.content.push(value.content_block);
      } else if (event === 'content_block_delta') {
        expect(value.index).toBe(open);
        const block = message.content[value.index];
        const { delta } = value;
        if (delta.type === 'text_delta') block.text += delta.text;
        else if (delta.type === 'thinking_delta') block.thinking += delta.thinking;
        else if (delta.type === 'signature_delta') block.signature = delta.signature;
        else json[value.index] = (json[value.index] ?? '') + delta.partial_json;
      } else if (event === 'content_block_stop') {
        expect(value.index).toBe(open);
        if (json[value.index] !== undefined)
          message.content[value.index].input = JSON.parse(json[value.index]!);
        open = undefined;
      } else if (event === 'message_delta') {
        Object.assign(message, value.delta);
        Object.assign(message.usage, value.usage);
      }
    }
    return message;
  },
  'openai-responses': (text) => {
    const events = sseEvents(text).map(({ event, data }) => ({ event, value: JSON.parse(data) }));
    events.forEach(({ event, value }, at) => {
      expect(value.type).toBe(event);
      expect(value.sequence_number).toBe(at);
    });
    expect(events[0]!.event).toBe('response.created');
    expect(events.at(-1)!.event).toBe('response.completed');
    const { response } = events.at(-1)!.value;
    const deltas = (type: string): string =>
      events
        .filter(({ event }) => event === type)
        .map(({ value }) => value.delta)
        .join('');
    expect(deltas('response.output_text.delta')).toBe(EXPECTED.text);
    expect(deltas('response.reasoning_summary_text.delta')).toBe(EXPECTED.reasoning);
    expect(deltas('response.function_call_arguments.delta')).toContain('Oslo');
    const done = events.filter(({ event }) => event === 'response.output_item.done');
    expect(done.map(({ value }) => value.item).sort((a, b) => a.id.localeCompare(b.id))).toEqual(
      [...response.output].sort((a: any, b: any) => a.id.localeCompare(b.id)),
    );
    return response;
  },
};

describe.each(WIRES.map((wire) => [wire.name, wire] as const))('answers to %s', (name, wire) => {
  describe.each(ANSWERS.map((answer) => [answer.dialect, answer] as const))(
    'from %s',
    (_, answer) => {
      it('are understood whole', () => {
        const call = callFrom(name, false);
        const message = providerOf(answer).message(answer.json, call);
        const body = wire.format(message, call);
        const understood = UNDERSTAND[name]?.(body);
        if (understood === undefined) {
          expect(JSON.stringify(body)).toContain('Looking it up.');
          return;
        }
        expect(understood).toMatchObject({
          ...EXPECTED,
          finish: FINISH[name],
          input: 100,
          output: 30,
        });
        if (answer.signature) expect(understood.signature).toContain('c2lnbmVk');
      });

      it('are understood streamed', () => {
        const call = callFrom(name, true);
        const stream = wire.stream(call);
        const text = chunksOf(answer, call)
          .map((chunk) => stream.chunk(chunk))
          .concat(stream.end())
          .join('');
        const body = ASSEMBLE[name]?.(text);
        if (body === undefined) {
          expect(text).toContain('it up.');
          expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
          return;
        }
        const understood = UNDERSTAND[name]!(body);
        expect(understood).toMatchObject({
          ...EXPECTED,
          finish: FINISH[name],
          input: 100,
          output: 30,
        });
        if (answer.signature) expect(understood.signature).toContain('c2lnbmVk');
      });

      it('give the same message streamed and whole', () => {
        const call = callFrom(name, true);
        const assembler = new MessageAssembler();
        for (const chunk of chunksOf(answer, call)) assembler.add(chunk);
        const whole = providerOf(answer).message(answer.json, call);
        const streamed = assembler.message();
        expect(streamed.choices).toEqual(whole.choices);
        expect(streamed.usage).toEqual(whole.usage);
      });
    },
  );

  it('carry the sluice field in the last usage event when it is asked for', () => {
    const call = callFrom(name, true);
    for (const answer of ANSWERS) {
      const stream = wire.stream(call);
      for (const chunk of chunksOf(answer, call)) stream.chunk(chunk);
      const ends = sseEvents(stream.end({ cost_usd: 0.5 })).filter(({ data }) => data !== '[DONE]');
      const carrying = ends.filter(({ data }) => JSON.parse(data).sluice?.cost_usd === 0.5);
      expect(carrying).toHaveLength(1);
      expect(
        JSON.parse(carrying[0]!.data).usage ?? JSON.parse(carrying[0]!.data).response.usage,
      ).toBeDefined();
    }
  });

  it('end in an error that the SDK raises, without the sign of a regular end', () => {
    const stream = wire.stream(callFrom(name, true));
    stream.chunk(
      ChatChunk.of({ type: 'start', id: 'x', model: 'm' }, { type: 'text', choice: 0, text: 'a' }),
    );
    const [event] = sseEvents(stream.error(new GatewayError('overloaded', 'busy'), 'req-1'));
    const body = JSON.parse(event!.data);
    expect(body.error.message).toBe('busy');
    if (name === 'anthropic') {
      expect(event!.event).toBe('error');
      expect(body).toEqual({
        type: 'error',
        error: { type: 'overloaded_error', message: 'busy' },
        request_id: 'req-1',
      });
    } else
      expect(body.error).toMatchObject({ type: 'server_error', param: null, code: 'overloaded' });
    if (name === 'openai-responses') expect(event!.event).toBe('error');
    expect(stream.heartbeat()).toMatch(name === 'anthropic' ? /^event: ping\n/ : /^:/);
  });

  it('go on where an upstream stopped when the gateway ends a stream itself', () => {
    const call = callFrom(name, true);
    for (const answer of ANSWERS) {
      const stream = wire.stream(call);
      const reader = providerOf(answer).reader(call);
      const begun = answer.stream
        .slice(0, 8)
        .flatMap((event) => reader.read({ event: undefined, ...event }) ?? []);
      const text = begun
        .map((chunk) => stream.chunk(chunk))
        .concat(
          stream.chunk(ChatChunk.of({ type: 'finish', choice: 0, reason: 'length' })),
          stream.end(),
        )
        .join('');
      expect(text).toMatch(/"length"|"max_tokens"|"incomplete"/);
      if (name === 'anthropic') {
        const names = sseEvents(text).map(({ event }) => event);
        const count = (wanted: string): number => names.filter((n) => n === wanted).length;
        expect(count('content_block_start')).toBe(count('content_block_stop'));
        expect(names.slice(-2)).toEqual(['message_delta', 'message_stop']);
      }
    }
  });
});

describe('the same dialect', () => {
  it('brings frames back word for word, unknown fields and all', () => {
    for (const answer of ANSWERS) {
      const wire = WIRES.find((w) => w.name === answer.dialect);
      if (wire === undefined) continue;
      const call = callFrom(answer.dialect, true);
      const stream = wire.stream(call);
      const text = chunksOf(answer, call)
        .map((chunk) => stream.chunk(chunk))
        .concat(stream.end())
        .join('');
      expect(sseEvents(text).map(({ data }) => data)).toEqual(
        answer.stream.map(({ data }) => data),
      );
    }
  });

  it('sends the body on but for the model, in its own order', () => {
    for (const [dialect, body] of [
      ['openai-chat', { zeta: 1, model: 'm', messages: CHAT.messages, alpha: { b: 1, a: 2 } }],
      [
        'anthropic',
        {
          zeta: 1,
          model: 'm',
          max_tokens: 1,
          system: [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral' } }],
          messages: CHAT.messages,
          alpha: null,
        },
      ],
    ] as const) {
      const call = callOf(dialect, body);
      const provider = PROVIDERS.find((p) => p.name === dialect)!;
      expect(JSON.stringify(provider.request(call, target('up')).body)).toBe(
        JSON.stringify({ ...body, model: 'up' }),
      );
    }
  });

  it('keeps the wording of an upstream error', () => {
    const body = {
      error: {
        message: 'Bad `foo`',
        type: 'invalid_request_error',
        param: 'foo',
        code: 'x',
        inner: 1,
      },
    };
    const failure = PROVIDERS[0]!.failure({ status: 400, headers: {} }, body, target('m'));
    expect(WIRES[0]!.error(failure, 'r')).toEqual(body);
    const anthropic = PROVIDERS[1]!;
    const said = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    const overloaded = anthropic.failure(
      { status: 529, headers: { 'retry-after': '7' } },
      said,
      target('m'),
    );
    expect(overloaded).toMatchObject({ code: 'overloaded', retryAfterMs: 7000 });
    expect(WIRES.find((w) => w.name === 'anthropic')!.error(overloaded, 'r')).toEqual({
      ...said,
      request_id: 'r',
    });
    const long = {
      error: {
        type: 'invalid_request_error',
        message: 'prompt is too long: 200001 tokens > 200000',
      },
    };
    expect(anthropic.failure({ status: 400, headers: {} }, long, target('m')).code).toBe(
      'context_too_long',
    );
  });
});

describe('bodies made for OpenAI callers', () => {
  const spec = JSON.parse(
    readFileSync(join(import.meta.dirname, '../fixtures/specs/openai-subset.openapi.json'), 'utf8'),
  );
  const ajv = new Ajv({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'spec', components: spec.components });
  const validate = (name: string, body: unknown): void => {
    const check = ajv.getSchema(`spec#/components/schemas/${name}`)!;
    expect(check(body) ? null : check.errors).toBeNull();
  };

  it.each([
    ['openai-chat', 'CreateChatCompletionResponse'],
    ['openai-responses', 'Response'],
    ['openai-completions', 'CreateCompletionResponse'],
  ] as const)('of %s are valid %s', (name, schema) => {
    for (const answer of ANSWERS) {
      const call = callFrom(name, false);
      const wire = WIRES.find((w) => w.name === name)!;
      validate(schema, wire.format(providerOf(answer).message(answer.json, call), call));
    }
  });

  it('of refusals, stop sequences and logprobs too', () => {
    const token = { token: 'No', logprob: -0.1, bytes: [78, 111], top_logprobs: [] };
    const message: ChatMessage = {
      ...providerOf(ANSWERS[0]!).message(ANSWERS[0]!.json, callFrom('openai-chat', false)),
      choices: [
        { index: 0, parts: [{ type: 'refusal', text: 'No.' }], finish: 'refusal' },
        {
          index: 1,
          parts: [{ type: 'text', text: 'No' }],
          finish: 'length',
          logprobs: { content: [token], refusal: null },
        },
      ],
    };
    for (const [name, schema] of [
      ['openai-chat', 'CreateChatCompletionResponse'],
      ['openai-responses', 'Response'],
      ['openai-completions', 'CreateCompletionResponse'],
    ] as const) {
      const call = callFrom(name, false);
      validate(schema, WIRES.find((w) => w.name === name)!.format(message, call));
      expect(eventsOf(message).length).toBeGreaterThan(3);
    }
  });
});
