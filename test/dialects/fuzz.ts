import { MessageAssembler, GatewayError, type ChatCall, type ChatReply } from '@sluice/kernel';
import { spendWorld, root } from '../../libs/token-limits/testing/spend-world.js';
import { engineBench } from '../../libs/providers/testing/engine.bench.js';
import { framingOf, sseEvents } from './framing.js';
import type { Golden, GoldenEvent } from './golden.js';
import { GoldenUpstream, loopback, type Served } from './golden-upstream.js';
import { WIRES, callOf } from './world.js';

/** A small generator with a seed, so that a failing case can be run again. */
function mulberry32(seed: number): () => number {
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

const JSON_TYPE = 'application/json';
/** A case that takes longer hangs: the provider's own limits are far below. */
const HANGS_MS = 10_000;

/**
 * Plays one provider that answers with damaged goods, through everything between the limits and the caller: reservation,
 * slot, breaker, adapter, every dialect at the door.
 */
export class FuzzedProvider {
  readonly #world = spendWorld({ policies: { tiers: { admin: { budget: { monthlyUsd: 1e6 } } } } });

  private constructor(
    private readonly golden: Golden,
    private readonly server: GoldenUpstream,
    private readonly bench: ReturnType<typeof engineBench>,
  ) {}

  static async start(golden: Golden): Promise<FuzzedProvider> {
    const server = await GoldenUpstream.start(golden);
    const limits = { timeout: '1s', firstTokenTimeout: '1s', idleTimeout: '1s' };
    const bench = engineBench(
      {
        providers: [{ ...server.providerLines(), ...limits } as never],
        models: [
          {
            id: 'm',
            provider: 'golden',
            upstream: golden.upstream,
            price: { input: 1, output: 1 },
          },
        ],
        // Every case is tried, however many failed before it.
        routing: { breaker: { minCalls: 1_000_000_000 } },
      },
      undefined,
      { dns: loopback(), env: golden.environment },
    );
    return new FuzzedProvider(golden, server, bench);
  }

  async close(): Promise<void> {
    await this.bench.close();
    await this.server.close();
  }

  /**
   * @throws Error naming the case: for anything thrown but a GatewayError of the upstream's fault, for a stream that ends
   * as if whole without an end, for a case that does not end, and for anything still held afterwards
   */
  async run(cases: number, seed: number): Promise<FuzzReport> {
    const report = { cases, refused: 0, completed: 0 };
    const warnings: Error[] = [];
    const note = (warning: Error): number => warnings.push(warning);
    process.on('warning', note);
    for (let i = 0; i < cases; i++) {
      try {
        if (await this.#one(mulberry32(seed + i))) report.completed++;
        else report.refused++;
      } catch (error) {
        throw new Error(`${this.golden.name}, seed ${seed + i}: ${String(error)}`, {
          cause: error,
        });
      }
    }
    await this.#expectNothingHeld();
    process.off('warning', note);
    // A room that fails at the end of a reply only warns; here that is a fault too.
    const failed = warnings.filter(
      (warning) => 'code' in warning && warning.code === 'SLUICE_OBSERVER',
    );
    if (failed.length > 0) throw new Error(`rooms failed at the end: ${String(failed[0])}`);
    return report;
  }

  /** False for a case that was refused. */
  async #one(rng: Rng): Promise<boolean> {
    const stream = rng() < 0.7;
    this.server.serve(damagedAnswer(this.golden, stream, rng));
    const wire = pick(rng, WIRES);
    const call = callOf(wire.name, { ...(BODIES[wire.name] ?? CHAT), stream }).with({
      caller: root,
    });
    const hang = rejectAfter(HANGS_MS);
    try {
      const reply = await Promise.race([
        this.#world.limits.around(call, (inner) =>
          this.bench.runner.run(inner, [this.bench.target('m')]),
        ),
        hang.rejected,
      ]);
      await Promise.race([tell(reply, call, wire), hang.rejected]);
      return true;
    } catch (error) {
      if (!(error instanceof GatewayError) || !FAULTS.has(error.code)) throw error;
      return false;
    } finally {
      hang.cancel();
    }
  }

  async #expectNothingHeld(): Promise<void> {
    const load = this.bench.runner.load('golden');
    if (load.running + load.waiting > 0) throw new Error(`slots leaked: ${JSON.stringify(load)}`);
    if (this.#world.engine.live > 0) throw new Error(`${this.#world.engine.live} holds leaked`);
    const standing = Object.values(await this.#world.standing('caller:acme/root', root));
    if (standing.some(([, held]) => held !== 0)) throw new Error('reservations leaked');
  }
}

/** What a damaged answer may be taken for. `internal` is not among them. */
const FAULTS: ReadonlySet<string> = new Set([
  ...['upstream_error', 'upstream_timeout', 'rate_limited', 'overloaded', 'invalid_request'],
  ...[
    'context_too_long',
    'unauthorized',
    'forbidden',
    'model_not_found',
    'conflict',
    'body_too_large',
  ],
]);

function rejectAfter(ms: number): {
  readonly rejected: Promise<never>;
  readonly cancel: () => void;
} {
  let timer: NodeJS.Timeout | undefined;
  const rejected = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('hangs')), ms);
  });
  return { rejected, cancel: () => clearTimeout(timer) };
}

/** Tells an answer to its caller, as the door does, and checks what the caller is told. */
async function tell(reply: ChatReply, call: ChatCall, wire: (typeof WIRES)[number]): Promise<void> {
  const ended = new Promise<{ input: number; output: number }>((resolve) => {
    reply.observe({ onEnd: ({ usage }) => resolve(usage) });
  });
  if (reply.kind === 'message') JSON.stringify(wire.format(reply.take(), call));
  else await tellStream(reply, call, wire);
  checkUsage(await ended);
}

async function tellStream(
  reply: ChatReply,
  call: ChatCall,
  wire: (typeof WIRES)[number],
): Promise<void> {
  const stream = wire.stream(call);
  const assembler = new MessageAssembler();
  let text = '';
  try {
    for await (const chunk of reply.chunks()) {
      text += stream.chunk(chunk);
      assembler.add(chunk);
    }
  } catch (error) {
    text += stream.error(error as GatewayError, 'r');
    if (!JSON.stringify(sseEvents(text).at(-1)).includes('error'))
      throw new Error('ended in silence', { cause: error });
    throw error;
  }
  JSON.stringify(assembler.message());
  text += stream.end();
  if (text.trim() === '') throw new Error('a stream that is whole said nothing');
}

const CHAT = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const BODIES: Record<string, Record<string, unknown>> = {
  'openai-responses': { model: 'm', input: 'hi' },
  'openai-completions': { model: 'm', prompt: 'hi' },
  anthropic: { model: 'm', max_tokens: 9, messages: CHAT.messages },
};

function damagedAnswer(golden: Golden, stream: boolean, rng: Rng): Served {
  const torn = rng() < 0.1;
  if (!stream) {
    return { bytes: Buffer.from(damage(golden.answer.toString(), rng)), type: JSON_TYPE, torn };
  }
  const { split, join } = framingOf(golden);
  let bytes = join(damagedEvents(split(golden.stream), rng));
  // Now and then the bytes themselves: a flipped bit, a lost piece.
  if (rng() < 0.2 && bytes.length > 0) {
    const at = Math.floor(rng() * bytes.length);
    if (rng() < 0.5) bytes[at] = Math.floor(rng() * 256);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + Math.ceil(rng() * 40))]);
  }
  return { bytes, type: rng() < 0.02 ? JSON_TYPE : golden.streamType, torn };
}

function damagedEvents(whole: readonly GoldenEvent[], rng: Rng): GoldenEvent[] {
  let events = [...whole];
  if (rng() < 0.25) events = events.slice(0, Math.floor(rng() * events.length));
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
        events[at] = { ...event, event: pick(rng, ['error', 'ping', 'message_stop', 'x']) };
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
