import { GatewayError, MessageAssembler } from '@sluice/kernel';
import { ANSWERS, type UpstreamAnswer } from './upstreams.js';
import { PROVIDERS, WIRES, callOf } from './world.js';

/** A small generator with a seed, so that a failing case can be run again. */
export function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const RUBBISH = [
  'null',
  '[]',
  '""',
  '-1',
  '1e999',
  '{}',
  'true',
  '"\\ud800"',
  '{',
  '\u0000',
  '9'.repeat(400),
  '[DONE]',
  '{"error":null}',
  '{"error":"x"}',
  '{"error":{"message":5}}',
];

type Rng = () => number;
const pick = <T>(rng: Rng, items: readonly T[]): T => items[Math.floor(rng() * items.length)]!;

/** Damages JSON text: as text (cut, doubled, flipped), or as a value (another type in some place). */
function damage(text: string, rng: Rng): string {
  switch (Math.floor(rng() * 6)) {
    case 0:
      return text.slice(0, Math.floor(rng() * text.length));
    case 1:
      return pick(rng, RUBBISH);
    case 2: {
      const at = Math.floor(rng() * text.length);
      return (
        text.slice(0, at) + String.fromCharCode(Math.floor(rng() * 0x3000)) + text.slice(at + 1)
      );
    }
    case 3:
      return text + text;
    default:
      return damagedValue(text, rng);
  }
}

function damagedValue(text: string, rng: Rng): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return pick(rng, RUBBISH);
  }
  const places: [Record<string, unknown>, string][] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node as Record<string, unknown>, key]);
      walk((node as Record<string, unknown>)[key]);
    }
  };
  walk(value);
  if (places.length === 0) return pick(rng, RUBBISH);
  for (let i = Math.floor(rng() * 3); i >= 0; i--) {
    const [node, key] = pick(rng, places);
    node[key] = pick(rng, [
      null,
      5,
      -1,
      '',
      'x',
      [],
      {},
      true,
      [null],
      [[]],
      { a: 1 },
      1e308,
      undefined,
    ]);
    if (rng() < 0.2) Reflect.deleteProperty(node, key);
  }
  return value === undefined ? 'null' : JSON.stringify(value);
}

export interface FuzzReport {
  cases: number;
  refused: number;
  completed: number;
}

/**
 * Feeds damaged answers of one provider to its dialect and to every dialect at the door.
 * @throws Error naming the case, for anything thrown but GatewayError or SyntaxError (which the transport turns into
 * one), and for a stream that ends whole without having said so
 */
export function fuzz(answer: UpstreamAnswer, cases: number, seed: number): FuzzReport {
  const report = { cases, refused: 0, completed: 0 };
  for (let i = 0; i < cases; i++) {
    const rng = mulberry32(seed + i);
    try {
      if (i % 4 === 0) whole(answer, rng);
      else streamed(answer, rng);
      report.completed++;
    } catch (error) {
      if (!(error instanceof GatewayError) && !(error instanceof SyntaxError)) {
        throw new Error(`${answer.dialect}, seed ${seed + i}: ${String(error)}`, { cause: error });
      }
      report.refused++;
    }
  }
  return report;
}

const CHAT = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const BODIES: Record<string, Record<string, unknown>> = {
  'openai-responses': { model: 'm', input: 'hi' },
  'openai-completions': { model: 'm', prompt: 'hi' },
  anthropic: { model: 'm', max_tokens: 9, messages: CHAT.messages },
};

function whole(answer: UpstreamAnswer, rng: Rng): void {
  const provider = PROVIDERS.find((p) => p.name === answer.dialect)!;
  const body: unknown = JSON.parse(damage(JSON.stringify(answer.json), rng));
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new SyntaxError('no object');
  const wire = pick(rng, WIRES);
  const call = callOf(wire.name, BODIES[wire.name] ?? CHAT);
  const message = provider.message(body as Record<string, unknown>, call);
  JSON.stringify(wire.format(message, call));
  checkUsage(message.usage);
}

function streamed(answer: UpstreamAnswer, rng: Rng): void {
  const provider = PROVIDERS.find((p) => p.name === answer.dialect)!;
  const wire = pick(rng, WIRES);
  const call = callOf(wire.name, { ...(BODIES[wire.name] ?? CHAT), stream: true });
  const reader = provider.reader(call);
  const stream = wire.stream(call);
  const assembler = new MessageAssembler();
  let text = '';
  for (const event of damagedStream(answer, rng)) {
    const chunk = reader.read(event);
    if (chunk === undefined) continue;
    text += stream.chunk(chunk);
    assembler.add(chunk);
  }
  JSON.stringify(assembler.message());
  const spent = reader.usage();
  if (spent !== undefined) checkUsage(spent);
  // The transport turns this into an error: the caller is never told that half an answer is whole.
  if (!reader.done()) throw new GatewayError('upstream_error', 'ended early');
  text += stream.end();
  if (text.trim() === '') throw new Error('a stream that is whole said nothing');
}

function damagedStream(
  answer: UpstreamAnswer,
  rng: Rng,
): { event: string | undefined; data: string }[] {
  let events = answer.stream.map(({ event, data }) => ({ event, data }));
  const cut = rng();
  if (cut < 0.25) events = events.slice(0, Math.floor(rng() * events.length));
  for (let i = Math.floor(rng() * 3); i >= 0 && events.length > 0; i--) {
    const at = Math.floor(rng() * events.length);
    const event = events[at]!;
    switch (Math.floor(rng() * 5)) {
      case 0:
        events.splice(at, 1);
        break;
      case 1:
        events.splice(at, 0, event);
        break;
      case 2:
        events[at] = {
          ...event,
          event: pick(rng, [undefined, 'error', 'ping', 'message_stop', '']),
        };
        break;
      default:
        events[at] = { ...event, data: damage(event.data, rng) };
    }
  }
  return events;
}

/** Rubbish must not become a bill. */
function checkUsage(usage: { input: number; output: number }): void {
  if (
    !Number.isFinite(usage.input) ||
    !Number.isFinite(usage.output) ||
    usage.input < 0 ||
    usage.output < 0
  ) {
    throw new Error(`usage is not a number: ${JSON.stringify(usage)}`);
  }
}

export { ANSWERS };
