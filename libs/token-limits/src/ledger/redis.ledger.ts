import { LuaScript, type RedisConnection } from '@sluice/redis';
import { OperationBatch, type Settled } from './operation.batch.js';
import {
  SpendLedger,
  type Grant,
  type LimitedShare,
  type ReserveAnswer,
  type Returning,
  type Share,
  type Standing,
  type Transfer,
} from './spend.ledger.js';

const SPEND = LuaScript.load(import.meta.dirname, 'spend.lua');

const PREFIX = 'sluice:{spend}:';
const LEASES = `${PREFIX}leases`;
const EPOCH = `${PREFIX}epoch`;
const ALERTS = `${PREFIX}alerts`;
const RETURNING = `${PREFIX}returning`;
const SWEEP_STEP = 100;
const EXTEND_STEP = 500;
/** Keeps one step in Redis below about two milliseconds. */
const MOST_TOGETHER = 64;
/** The next batch is filled while so many are under way. */
const MOST_UNDER_WAY = 2;
const reservationKey = (id: string) => `${PREFIX}r:${id}`;
const periodKey = (counter: string) => `${PREFIX}${counter.slice(counter.lastIndexOf('|') + 1)}`;

/** A counter that crossed a threshold, as Redis remembers it until somebody has told it. */
export interface Crossing {
  /** Names it in {@link RedisLedger.told}. */
  readonly field: string;
  readonly counter: string;
  readonly threshold: number;
  readonly limit: number;
  readonly spent: number;
}

export interface RedisLedgerOptions {
  readonly banked: boolean;
  /** Milliseconds, for tests; the server's own time when it is the empty text. */
  readonly now?: () => number | '';
  /** Shares of a limit at which a crossing is remembered. */
  readonly thresholds?: () => readonly number[];
}

const untouched = (counter: string): Standing => ({
  counter,
  spent: 0,
  held: 0,
  slack: Number.MAX_SAFE_INTEGER,
});

/**
 * The ledger in Redis, shared by all replicas. Every method may throw RedisUnavailable. What one turn of the event loop
 * asks goes to Redis as one step, which reads and writes each counter once.
 */
export class RedisLedger extends SpendLedger {
  override readonly lasting = true;
  readonly #banked: boolean;
  readonly #now: () => number | '';
  readonly #thresholds: () => readonly number[];
  #batch = new OperationBatch();
  #underWay = 0;
  #scheduled = false;

  constructor(
    private readonly redis: RedisConnection,
    options: RedisLedgerOptions,
  ) {
    super();
    this.#banked = options.banked;
    this.#now = options.now ?? (() => '');
    this.#thresholds = options.thresholds ?? (() => []);
  }

  reserve(id: string, shares: readonly LimitedShare[], leaseMs: number): Promise<ReserveAnswer> {
    const answer = this.#batch.hold(reservationKey(id), shares, leaseMs);
    this.#schedule();
    return answer;
  }

  topUp(id: string, shares: readonly LimitedShare[]): Promise<ReserveAnswer> {
    const answer = this.#batch.hold(reservationKey(id), shares);
    this.#schedule();
    return answer;
  }

  settle(id: string, actual: readonly Share[], lost: readonly Share[]): Promise<Settled> {
    const answer = this.#batch.settle(reservationKey(id), actual, lost);
    this.#schedule();
    return answer;
  }

  async extend(ids: readonly string[], leaseMs: number): Promise<void> {
    for (let at = 0; at < ids.length; at += EXTEND_STEP) {
      const some = ids.slice(at, at + EXTEND_STEP).map(reservationKey);
      await this.redis.script(SPEND, [LEASES], [...this.#head('extend'), String(leaseMs), ...some]);
    }
  }

  async sweep(): Promise<number> {
    return (await this.look()).expired;
  }

  /** Sweeps, and tells which crossings nobody has told yet. */
  async look(): Promise<{ readonly expired: number; readonly crossings: readonly Crossing[] }> {
    const args = [...this.#head('sweep'), String(SWEEP_STEP)];
    const [expired, ...alerts] = await this.redis.script<[number, ...string[]]>(
      SPEND,
      [LEASES],
      args,
    );
    return { expired, crossings: pairs(alerts).map(crossingOf) };
  }

  /** Somebody has stored the alerts of these crossings. */
  async told(crossings: readonly Crossing[]): Promise<void> {
    if (crossings.length === 0) return;
    await this.redis.command(['HDEL', ALERTS, ...crossings.map(({ field }) => field)]);
  }

  async read(counters: readonly string[]): Promise<readonly (Standing | undefined)[]> {
    return Promise.all(
      counters.map(async (counter) => {
        const packed = await this.redis.commandBuffer(['HGET', periodKey(counter), counter]);
        // A counter that was never granted anything has no base yet.
        if (packed === null) return this.#banked ? undefined : untouched(counter);
        const [spent = 0, held = 0, allowance = 0, base = 0] = [0, 8, 16, 24].map((at) =>
          packed.readDoubleLE(at),
        );
        const slack = this.#banked ? allowance - spent - held : Number.MAX_SAFE_INTEGER;
        return { counter, spent: base + spent, held, slack };
      }),
    );
  }

  override async epoch(candidate: string): Promise<string> {
    const [, epoch] = await Promise.all([
      this.redis.command(['SET', EPOCH, candidate, 'NX']),
      this.redis.command<string | null>(['GET', EPOCH]),
    ]);
    return epoch ?? candidate;
  }

  async grant(grants: readonly Grant[], transfer?: Transfer): Promise<void> {
    const args = [...this.#head('grant'), ...textsOf(transfer)];
    for (const { counter, amount, allocated, own } of grants) {
      const base = own === undefined ? '' : String(Math.max(0, allocated - own));
      args.push(counter, String(amount), String(allocated), base);
    }
    await this.redis.script(SPEND, [LEASES], args);
  }

  async trim(keep: readonly Share[], transfer?: Transfer): Promise<readonly Share[]> {
    const args = [...this.#head('trim'), ...textsOf(transfer)];
    for (const { counter, amount } of keep) args.push(counter, String(amount));
    return sharesOf(await this.redis.script<readonly string[]>(SPEND, [LEASES], args));
  }

  override async returning(): Promise<readonly Returning[]> {
    const [epoch, found] = await Promise.all([
      this.redis.command<string | null>(['GET', EPOCH]),
      this.redis.command<readonly string[]>(['HGETALL', RETURNING]),
    ]);
    return pairs(found).map(([giver, value]) => {
      const [at = '', number = ''] = value.split(' ', 2);
      const json = value.slice(at.length + number.length + 2);
      const freed = sharesOf(JSON.parse(json) as string[]);
      return { giver, number: Number(number), epoch: epoch ?? '', at: Number(at), freed };
    });
  }

  override async forgetReturning(givers: readonly string[]): Promise<void> {
    if (givers.length > 0) await this.redis.command(['HDEL', RETURNING, ...givers]);
  }

  #head(command: string): string[] {
    const thresholds = this.#thresholds().join(' ');
    return [command, String(this.#now()), this.#banked ? '1' : '0', thresholds];
  }

  #schedule(): void {
    if (this.#batch.size >= MOST_TOGETHER) {
      this.#send();
    } else if (!this.#scheduled && this.#underWay < MOST_UNDER_WAY) {
      this.#scheduled = true;
      // After the sockets that are readable now: their calls ask as well.
      setImmediate(() => {
        this.#scheduled = false;
        if (this.#underWay < MOST_UNDER_WAY) this.#send();
      });
    }
  }

  #send(): void {
    const batch = this.#batch;
    if (batch.size === 0) return;
    this.#batch = new OperationBatch();
    this.#underWay++;
    const args = [...this.#head('ops'), ...batch.args()];
    this.redis
      .scriptBuffer<readonly Buffer[]>(SPEND, [LEASES, ...batch.keys], args)
      .then(
        (reply) => {
          batch.resolve(reply);
        },
        (error: unknown) => {
          batch.reject(error);
        },
      )
      .finally(() => {
        this.#underWay--;
        this.#send();
      });
  }
}

function textsOf(transfer: Transfer | undefined): string[] {
  if (transfer === undefined) return ['', '', ''];
  return [transfer.epoch, transfer.giver, String(transfer.number)];
}

function pairs(flat: readonly string[]): (readonly [string, string])[] {
  return Array.from(
    { length: flat.length / 2 },
    (_, i) => [flat[2 * i] ?? '', flat[2 * i + 1] ?? ''] as const,
  );
}

function sharesOf(flat: readonly string[]): readonly Share[] {
  return pairs(flat).map(([counter, amount]) => ({ counter, amount: Number(amount) }));
}

/** `0.5 system|tokens|2026-01` and `1000 512`. */
function crossingOf([field, value]: readonly [string, string]): Crossing {
  const space = field.indexOf(' ');
  const [limit = 0, spent = 0] = value.split(' ').map(Number);
  const threshold = Number(field.slice(0, space));
  return { field, counter: field.slice(space + 1), threshold, limit, spent };
}
