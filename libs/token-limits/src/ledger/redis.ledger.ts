import { LuaScript, type RedisConnection } from '@sluice/redis';
import {
  SpendLedger,
  type Grant,
  type LimitedShare,
  type ReservationState,
  type ReserveAnswer,
  type Share,
  type Standing,
} from './spend.ledger.js';

const HOLD = LuaScript.load(import.meta.dirname, 'hold-spend.lua');
const SETTLE = LuaScript.load(import.meta.dirname, 'settle-spend.lua');
const SWEEP = LuaScript.load(import.meta.dirname, 'sweep-spend.lua');
const GRANT = LuaScript.load(import.meta.dirname, 'grant-spend.lua');

const LEASES = 'sluice:{spend}:leases';
const SWEEP_STEP = 100;
const reservationKey = (id: string) => `sluice:{spend}:r:${id}`;
const periodKey = (counter: string) =>
  `sluice:{spend}:${counter.slice(counter.lastIndexOf('|') + 1)}`;

const untouched = (counter: string): Standing => ({
  counter,
  spent: 0,
  held: 0,
  slack: Number.MAX_SAFE_INTEGER,
});

/** The ledger in Redis, shared by all replicas. Every method may throw RedisUnavailable. */
export class RedisLedger extends SpendLedger {
  readonly #banked: string;

  constructor(
    private readonly redis: RedisConnection,
    banked: boolean,
    /** Milliseconds, for tests; the server's own time when it is the empty text. */
    private readonly now: () => number | '' = () => '',
  ) {
    super();
    this.#banked = banked ? '1' : '0';
  }

  reserve(id: string, shares: readonly LimitedShare[], leaseMs: number): Promise<ReserveAnswer> {
    return this.#hold('new', id, shares, leaseMs);
  }

  topUp(id: string, shares: readonly LimitedShare[]): Promise<ReserveAnswer> {
    return this.#hold('more', id, shares, 0);
  }

  async settle(
    id: string,
    actual: readonly Share[],
    lost: readonly Share[],
  ): Promise<readonly Standing[]> {
    const args = [this.#banked, String(actual.length)];
    for (const { counter, amount } of [...actual, ...lost]) args.push(counter, String(amount));
    const keys = [reservationKey(id), LEASES];
    const [packed, ...counters] = await this.redis.scriptBuffer<readonly Buffer[]>(
      SETTLE,
      keys,
      args,
    );
    return packed === undefined ? [] : standingsOf(packed, counters.map(String));
  }

  async extend(ids: readonly string[], leaseMs: number): Promise<void> {
    const deadline = String((this.now() || Date.now()) + leaseMs);
    const args = ['ZADD', LEASES, 'XX'];
    for (const id of ids) args.push(deadline, reservationKey(id));
    if (ids.length > 0) await this.redis.command(args);
  }

  async sweep(): Promise<number> {
    const args = [String(this.now()), String(SWEEP_STEP)];
    return this.redis.script<number>(SWEEP, [LEASES], args);
  }

  async read(counters: readonly string[]): Promise<readonly (Standing | undefined)[]> {
    return Promise.all(
      counters.map(async (counter) => {
        const packed = await this.redis.commandBuffer(['HGET', periodKey(counter), counter]);
        // A counter that was never granted anything has no base yet.
        if (packed === null) return this.#banked === '1' ? undefined : untouched(counter);
        const [spent = 0, held = 0, allowance = 0, base = 0] = [0, 8, 16, 24].map((at) =>
          packed.readDoubleLE(at),
        );
        const slack = this.#banked === '1' ? allowance - spent - held : Number.MAX_SAFE_INTEGER;
        return { counter, spent: base + spent, held, slack };
      }),
    );
  }

  async grant(grants: readonly Grant[]): Promise<void> {
    const args = ['grant'];
    for (const g of grants) args.push(g.counter, String(g.amount), String(g.allocated));
    await this.redis.script(GRANT, [LEASES], args);
  }

  async trim(keep: readonly Share[]): Promise<readonly Share[]> {
    const args = ['trim'];
    for (const { counter, amount } of keep) args.push(counter, String(amount));
    const reply = await this.redis.script<readonly string[]>(GRANT, [LEASES], args);
    const freed: Share[] = [];
    for (let i = 0; i < reply.length; i += 2) {
      freed.push({ counter: reply[i] ?? '', amount: Number(reply[i + 1]) });
    }
    return freed;
  }

  async #hold(
    mode: 'new' | 'more',
    id: string,
    shares: readonly LimitedShare[],
    leaseMs: number,
  ): Promise<ReserveAnswer> {
    const args = [mode, String(leaseMs), String(this.now()), this.#banked];
    for (const { counter, amount, limit } of shares) {
      args.push(counter, String(amount), String(limit));
    }
    const keys = [reservationKey(id), LEASES];
    return answerOf(await this.redis.scriptBuffer<readonly Buffer[]>(HOLD, keys, args), shares);
  }
}

function answerOf(reply: readonly Buffer[], shares: readonly Share[]): ReserveAnswer {
  const [kind, first = '', second, third] = reply.map((part, i) => (i === 0 ? String(part) : part));
  if (kind === 'held' && first instanceof Buffer) {
    return {
      kind,
      standings: standingsOf(
        first,
        shares.map((share) => share.counter),
      ),
    };
  }
  if (kind === 'known') return { kind, state: String(first) as ReservationState };
  if (kind === 'refused') {
    const by = String(second) === 'spent' ? 'spent' : 'held';
    return { kind, counter: String(first), by, headroom: Number(String(third)) };
  }
  const missing: Share[] = [];
  for (let i = 1; i < reply.length; i += 2) {
    missing.push({ counter: String(reply[i]), amount: Number(String(reply[i + 1])) });
  }
  return { kind: 'short', missing };
}

/** Three doubles a counter, little-endian. */
function standingsOf(packed: Buffer, counters: readonly string[]): readonly Standing[] {
  return counters.map((counter, i) => ({
    counter,
    spent: packed.readDoubleLE(24 * i),
    held: packed.readDoubleLE(24 * i + 8),
    slack: packed.readDoubleLE(24 * i + 16),
  }));
}
