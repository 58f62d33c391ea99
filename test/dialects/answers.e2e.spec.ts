import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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
import { AnthropicDialect } from '../../libs/providers/src/dialects/anthropic/anthropic.dialect.js';
import { OpenAiChatDialect } from '../../libs/providers/src/dialects/openai/openai-chat.dialect.js';
import type { ProviderAdapter } from '../../libs/providers/src/provider-adapter.js';
import { framingOf, sseEvents } from './framing.js';
import { GOLDENS, golden, type Golden } from './golden.js';
import { GoldenUpstream, ask, chunksOf as chunksIn } from './golden-upstream.js';
import { WIRES, callOf, target } from './world.js';

/** The providers, played by their golden files. */
const playing = new Map<string, { server: GoldenUpstream; adapter: ProviderAdapter }>();
beforeAll(async () => {
  for (const one of GOLDENS) {
    const server = await GoldenUpstream.start(one);
    playing.set(one.name, { server, adapter: await server.adapter() });
  }
});
afterAll(async () => {
  for (const { server, adapter } of playing.values()) {
    await adapter.close();
    await server.close();
  }
});

const BODIES: Partial<Record<DialectName, Record<string, unknown>>> = {
  'openai-responses': { model: 'm', input: 'hi' },
  'openai-completions': { model: 'm', prompt: 'hi' },
  anthropic: { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] },
};
const OPENAI = new OpenAiChatDialect({
  id: 'p',
  baseUrl: 'https://api.openai.com/v1',
  flavor: 'openai',
});
const ANTHROPIC = new AnthropicDialect('p');
const CHAT = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

const callFrom = (dialect: DialectName, stream: boolean): ChatCall =>
  callOf(dialect, {
    ...(BODIES[dialect] ?? CHAT),
    stream,
    ...(dialect === 'openai-chat' ? { stream_options: { include_usage: true } } : {}),
  });

async function messageOf({ name }: Golden, call: ChatCall): Promise<ChatMessage> {
  const { server, adapter } = playing.get(name)!;
  server.serveWhole();
  return ask(adapter, server.golden, call);
}

/** The chunks that a provider's dialect reads from its stream. */
async function chunksOf({ name, upstream }: Golden, call: ChatCall): Promise<ChatChunk[]> {
  const { server, adapter } = playing.get(name)!;
  server.serveStream();
  return chunksIn(await adapter.chat(call, target(upstream), call.signal));
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

/** What the golden files say that every caller must come to understand. */
function expectedOf({ expected }: Golden): Omit<Understood, 'finish' | 'signature'> {
  const { parts } = expected.choices[0]!;
  const said = (type: string): string =>
    parts.flatMap((part) => (part.type === type && 'text' in part ? [part.text] : [])).join('');
  return {
    text: said('text'),
    reasoning: said('reasoning'),
    calls: parts.flatMap((part) =>
      part.type === 'tool_call'
        ? [{ id: part.id, name: part.name, arguments: JSON.parse(part.arguments) }]
        : [],
    ),
    // What the provider does not report is counted, and these tests ask for little.
    input: expected.usage.estimated ? 'hi'.length : expected.usage.input,
    output: expected.usage.output,
  };
}
const signatureOf = ({ expected }: Golden): string | undefined =>
  expected.choices[0]!.parts.find((part) => part.type === 'reasoning' && part.signature)
    ? 'c2lnbmVk'
    : undefined;

const UNDERSTAND: Partial<Record<DialectName, (body: any) => Understood>> = {
  'openai-chat': (body) => {
    const { message, finish_reason } = body.choices[0];
    return {
      text: message.content,
      reasoning: message.reasoning_content ?? '',
      signature: message.reasoning_details?.find((d: any) => d.signature)?.signature,
      calls: (message.tool_calls ?? []).map((call: any) => ({
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

/** The text of a stream that tells little else. */
function textIn(stream: string): string {
  return sseEvents(stream)
    .filter(({ data }) => data !== '[DONE]')
    .flatMap(({ data }) => JSON.parse(data).choices ?? [])
    .map((choice: any) => choice.text ?? choice.delta?.content ?? '')
    .join('');
}

/** How each caller's dialect says that the answer ends with calls of tools, or just ends. */
const FINISH: Partial<Record<DialectName, { tool_calls: string; stop: string }>> = {
  'openai-chat': { tool_calls: 'tool_calls', stop: 'stop' },
  anthropic: { tool_calls: 'tool_use', stop: 'end_turn' },
  'openai-responses': { tool_calls: 'completed', stop: 'completed' },
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
    // The deltas come to the same as the whole that the last event tells.
    const { text: said, reasoning, calls } = UNDERSTAND['openai-responses']!(response);
    expect(deltas('response.output_text.delta')).toBe(said);
    expect(deltas('response.reasoning_summary_text.delta')).toBe(reasoning);
    expect(deltas('response.function_call_arguments.delta')).toBe(
      calls.map((call) => JSON.stringify(call.arguments)).join(''),
    );
    const done = events.filter(({ event }) => event === 'response.output_item.done');
    expect(done.map(({ value }) => value.item).sort((a, b) => a.id.localeCompare(b.id))).toEqual(
      [...response.output].sort((a: any, b: any) => a.id.localeCompare(b.id)),
    );
    return response;
  },
};

describe.each(WIRES.map((wire) => [wire.name, wire] as const))('answers to %s', (name, wire) => {
  describe.each(GOLDENS.map((one) => [one.name, one] as const))('from %s', (_, one) => {
    /** A body of this caller's dialect says what the golden files say. */
    const expectUnderstood = (body: unknown): void => {
      const understand = UNDERSTAND[name];
      const { text } = expectedOf(one);
      if (understand === undefined) {
        // These tell the text alone.
        expect(JSON.stringify(body)).toContain(JSON.stringify(text).slice(1, -1));
        return;
      }
      const understood = understand(body);
      const finish = one.expected.choices[0]!.finish as 'tool_calls' | 'stop';
      expect(understood).toMatchObject({ ...expectedOf(one), finish: FINISH[name]![finish] });
      const signature = signatureOf(one);
      if (signature !== undefined) expect(understood.signature).toContain(signature);
    };

    it('are understood whole', async () => {
      const call = callFrom(name, false);
      const message = await messageOf(one, call);
      expectUnderstood(wire.format(message, call));
    });

    it('are understood streamed', async () => {
      const call = callFrom(name, true);
      const stream = wire.stream(call);
      const text = (await chunksOf(one, call))
        .map((chunk) => stream.chunk(chunk))
        .concat(stream.end())
        .join('');
      const assemble = ASSEMBLE[name];
      if (assemble !== undefined) {
        expectUnderstood(assemble(text));
        return;
      }
      expect(textIn(text)).toBe(expectedOf(one).text);
      expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    });

    it('give the same message streamed and whole', async () => {
      const call = callFrom(name, true);
      const assembler = new MessageAssembler();
      for (const chunk of await chunksOf(one, call)) assembler.add(chunk);
      const whole = await messageOf(one, callFrom(name, false));
      const streamed = assembler.message();
      expect(streamed.choices).toEqual(whole.choices);
      expect(streamed.usage).toEqual(whole.usage);
    });

    it('carry the sluice field in the last usage event when it is asked for', async () => {
      const stream = wire.stream(callFrom(name, true));
      for (const chunk of await chunksOf(one, callFrom(name, true))) stream.chunk(chunk);
      const ends = sseEvents(stream.end({ cost_usd: 0.5 })).filter(({ data }) => data !== '[DONE]');
      const carrying = ends.filter(({ data }) => JSON.parse(data).sluice?.cost_usd === 0.5);
      expect(carrying).toHaveLength(1);
      const last = JSON.parse(carrying[0]!.data);
      expect(last.usage ?? last.response.usage).toBeDefined();
    });

    it('go on where an upstream stopped when the gateway ends a stream itself', async () => {
      const call = callFrom(name, true);
      const stream = wire.stream(call);
      const chunks = await chunksOf(one, call);
      const text = chunks
        .slice(0, Math.ceil(chunks.length / 3))
        // An answer that came whole is over at its first chunk: here only its beginning came.
        .map((chunk) =>
          chunk.frame === undefined
            ? ChatChunk.of(...chunk.events.filter((event) => event.type !== 'finish'))
            : chunk,
        )
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
    });
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
});

describe('the same dialect', () => {
  it('brings frames back word for word, unknown fields and all', async () => {
    for (const one of GOLDENS) {
      const wire = WIRES.find((w) => w.name === one.dialect);
      if (wire === undefined) continue;
      const call = callFrom(one.dialect, true);
      const stream = wire.stream(call);
      const text = (await chunksOf(one, call))
        .map((chunk) => stream.chunk(chunk))
        .concat(stream.end())
        .join('');
      const sent = framingOf(one).split(one.stream);
      expect(sseEvents(text).map(({ data }) => data)).toEqual(sent.map(({ data }) => data));
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
      const provider = dialect === 'anthropic' ? ANTHROPIC : OPENAI;
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
    const failure = OPENAI.failure({ status: 400, headers: {} }, body);
    expect(WIRES[0]!.error(failure, 'r')).toEqual(body);
    const said = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    const overloaded = ANTHROPIC.failure({ status: 529, headers: { 'retry-after': '7' } }, said);
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
    expect(ANTHROPIC.failure({ status: 400, headers: {} }, long).code).toBe('context_too_long');
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
  ] as const)('of %s are valid %s', async (name, schema) => {
    for (const one of GOLDENS) {
      const call = callFrom(name, false);
      const wire = WIRES.find((w) => w.name === name)!;
      validate(schema, wire.format(await messageOf(one, call), call));
    }
  });

  it('of refusals, stop sequences and logprobs too', async () => {
    const token = { token: 'No', logprob: -0.1, bytes: [78, 111], top_logprobs: [] };
    const message: ChatMessage = {
      ...(await messageOf(golden('openai'), callFrom('openai-chat', false))),
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
