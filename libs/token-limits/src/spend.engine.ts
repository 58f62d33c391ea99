import { Injectable } from '@nestjs/common';
import { Clock, GenerationMap } from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import { RedisConnection, RedisUnavailable } from '@sluice/redis';
import { AllowanceBank } from './allowance/allowance.bank.js';
import { AllowanceKeeper } from './allowance/allowance.keeper.js';
import { startDepartures } from './departures/dead.departures.js';
import { DepartureLog, type Departure } from './departures/departure.log.js';
import { BoundedLedger } from './ledger/bounded.ledger.js';
import { RedisLedger } from './ledger/redis.ledger.js';
import { heldOf, lacking, tokensOf } from './ledger/shares.js';
import type {
  LimitedShare,
  ReserveAnswer,
  Share,
  SpendLedger,
  Standing,
} from './ledger/spend.ledger.js';
import { Settlements } from './settlements.js';
import type { CrossingWatch, EngineAnswer, Reserved } from './spend.answers.js';

/** A hold that nobody renews is swept after this. */
export const LEASE_MS = 30_000;
/** A call that gave no sign of life for this long is no longer renewed. */
const SILENCE_MS = 5 * 60_000;
const TRIM_MS = 1000;
const FINISH_MS = 3000;
const MAX_ROUNDS = 8;
/** Counters kept in this process; a flood of new callers must not fill the memory. */
const MAX_COUNTERS = 50_000;
const FORGET_MS = 3_600_000;
/** Longer than any month: what is older belongs to no period that runs. */
const FORGET_AFTER_MS = 70 * 86_400_000;

interface Live {
  readonly reserved: Reserved;
  seenAt: number;
}

/**
 * Reservations over whichever ledger serves now: Redis while it answers, else the one on this machine. Either
 * leases its allowances from the bank, so both may be in use at once and neither can forget what was spent.
 */
@Injectable()
export class SpendEngine {
  readonly #shared: RedisLedger | undefined;
  readonly #keeper: AllowanceKeeper;
  readonly #live = new Map<string, Live>();
  #crossings: CrossingWatch = { thresholds: () => [], tell: async () => undefined };
  readonly #observers: ((standings: readonly Standing[]) => void)[] = [];
  /** The limit that was last applied to each counter. */
  readonly #limits = new GenerationMap<number>(100_000);
  readonly #settlements: Settlements;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly bank: AllowanceBank,
    private readonly redis: RedisConnection,
    private readonly clock: Clock,
    private readonly logger: Logger,
    /** This process's own, or that of all workers of the machine. */
    private readonly local: BoundedLedger,
    private readonly departures: DepartureLog,
  ) {
    this.#keeper = new AllowanceKeeper(bank);
    this.#settlements = new Settlements(redis, logger, ({ ledger, departure }, standings) => {
      this.#over(departure);
      this.#observe(ledger, standings);
    });
    this.#shared = redis.enabled
      ? new RedisLedger(redis, { banked: true, thresholds: () => this.#crossings.thresholds() })
      : undefined;
  }

  /** Tokens held by calls of this process. */
  get tokensHeld(): number {
    let sum = 0;
    for (const { reserved } of this.#live.values()) sum += tokensOf(reserved.shares);
    return sum;
  }

  get live(): number {
    return this.#live.size;
  }

  /** Settlements that wait for Redis to come back. */
  get unsettled(): number {
    return this.#settlements.waiting;
  }

  /** Is told the standings after each step that changed them. */
  observe(observer: (standings: readonly Standing[]) => void): void {
    this.#observers.push(observer);
  }

  watchCrossings(watch: CrossingWatch): void {
    this.#crossings = watch;
  }

  async start(): Promise<void> {
    const lasting = [this.#shared, this.local].filter((l) => l !== undefined && !l.inProcess);
    if (lasting.length > 0) await startDepartures(this.departures, this.#giveBack, this.logger);
    const every = (ms: number, name: string, work: () => Promise<unknown>) => {
      const timer = setInterval(() => {
        work().catch((error: unknown) =>
          this.logger.warn({ err: error, work: name }, 'limits upkeep failed'),
        );
      }, ms);
      timer.unref();
      this.#timers.push(timer);
    };
    every(LEASE_MS / 3, 'renew', () => this.renew());
    every(TRIM_MS, 'trim', () => this.#trim(false));
    every(TRIM_MS, 'sweep', () => this.sweep());
    every(FINISH_MS, 'finish', () => this.finishOthers());
    // A call may time out just after Redis came back: it must not hold until the next outage.
    every(TRIM_MS, 'flush', () => this.flush());
    every(TRIM_MS, 'bound', () => this.bound(MAX_COUNTERS));
    every(FORGET_MS, 'forget', () => this.forget());
    this.redis.onRecovery(() => void this.flush());
  }

  /** Settles what can be, and gives back every unused allowance of this process. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.flush();
    await this.#trim(true);
    await this.departures.close();
  }

  /**
   * Never waits when the ledger is in process and supplied.
   * @throws Error when the bank cannot be asked and the leased allowances do not suffice
   */
  reserve(id: string, shares: readonly LimitedShare[]): EngineAnswer | Promise<EngineAnswer> {
    this.#remember(shares);
    const ledger = this.#serving();
    const reserved = this.#enter({ id, ledger, shares });
    const first = ledger.reserve(id, shares, LEASE_MS);
    if (!(first instanceof Promise) && first.kind === 'held')
      return this.#held(reserved, first.standings);
    return this.#reserveOrElse(reserved, first);
  }

  async #reserveOrElse(
    reserved: Reserved,
    first: ReserveAnswer | Promise<ReserveAnswer>,
  ): Promise<EngineAnswer> {
    const { id, ledger, shares } = reserved;
    try {
      return await this.#reserveIn(reserved, first);
    } catch (error) {
      if (!(error instanceof RedisUnavailable) || ledger === this.local) {
        this.#over(reserved.departure);
        throw error;
      }
      // It may have been executed all the same: whatever it held is given back when Redis answers again.
      this.#settlements.keep({ ...reserved, actual: [], lost: [] });
      return this.#reserveIn(this.#enter({ id: `${id}!`, ledger: this.local, shares }));
    }
  }

  /** The request that was reserved for leaves now. @throws GatewayError overloaded when that cannot be written down */
  sending({ departure }: Reserved): void {
    if (departure !== undefined) this.departures.left(departure);
  }

  /** True when more was held for the reservation. Never waits when the ledger is in process and supplied. */
  topUp(reserved: Reserved, shares: readonly LimitedShare[]): boolean | Promise<boolean> {
    const { ledger, id } = reserved;
    const first = ledger.topUp(id, shares);
    if (!(first instanceof Promise) && first.kind !== 'short')
      return this.#toppedUp(reserved, first);
    return (async () => {
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const answer = round === 0 ? await first : await ledger.topUp(id, shares);
        if (answer.kind !== 'short') return this.#toppedUp(reserved, answer);
        await this.#keeper.supply(ledger, lacking(shares, answer.missing), this.#limitOf);
      }
      return false;
    })().catch((error: unknown) => {
      this.logger.debug({ err: error }, 'top-up failed');
      return false;
    });
  }

  /** Ends a reservation with what it took. Kept and repeated while Redis is away. */
  settle(reserved: Reserved, actual: readonly Share[]): Promise<void> | undefined {
    const { id, ledger, shares, departure } = reserved;
    this.#live.delete(id);
    const lost = actual.map(({ counter, amount }, i) => ({
      counter,
      // A reservation that its ledger has forgotten is inside the allowance that counts as spent.
      amount: Math.max(0, amount - heldOf(shares, counter, i)),
    }));
    return this.#settlements.settle({ id, ledger, actual, lost, departure });
  }

  /** Charges what was never reserved. */
  charge(id: string, shares: readonly LimitedShare[]): Promise<void> | undefined {
    this.#remember(shares);
    return this.#settlements.settle({ id, ledger: this.#serving(), actual: shares, lost: shares });
  }

  /** A sign of life of a running call. */
  touch(id: string): void {
    const live = this.#live.get(id);
    if (live !== undefined) live.seenAt = this.clock.monotonic();
  }

  /** What counters stand at, from the ledger that enforces. */
  async standings(
    shares: readonly { counter: string; limit: number }[],
  ): Promise<readonly Standing[]> {
    const counters = shares.map((share) => share.counter);
    const read = async (ledger: SpendLedger) => {
      // Others may have leased, or given back, since this ledger last heard of it.
      await this.#keeper.introduce(ledger, counters);
      return ledger.read(counters);
    };
    let ledger = this.#serving();
    const found = await read(ledger).catch((error: unknown) => {
      if (!(error instanceof RedisUnavailable)) throw error;
      ledger = this.local;
      return read(ledger);
    });
    const standings = found.map(
      (standing, i) => standing ?? { counter: counters[i] ?? '', spent: 0, held: 0, slack: 0 },
    );
    if (!this.#stopgap(ledger)) for (const observer of this.#observers) observer(standings);
    return standings;
  }

  /** Turns abandoned holds into spent. */
  async sweep(): Promise<void> {
    await this.local.sweep();
    if (this.#shared === undefined || !this.redis.available) return;
    const { crossings } = await this.#shared.look();
    if (crossings.length === 0) return;
    await this.#crossings.tell(crossings);
    await this.#shared.told(crossings);
  }

  /** Finishes what dead processes left between the bank and Redis. */
  async finishOthers(): Promise<void> {
    if (this.#shared === undefined || !this.redis.available) return;
    await this.#keeper.finishOthers(this.#shared, this.clock.now());
  }

  /** Forgets idle counters beyond `most`: the bank knows what they have spent. */
  async bound(most: number): Promise<void> {
    const excess = (await this.local.count()) - most;
    if (excess <= 0) return;
    const idle = await this.local.idle(Math.min(excess, 10_000));
    await this.#keeper.release(this.local, idle);
    await this.local.forget(idle);
  }

  /** Drops periods that ended long ago from the bank. */
  async forget(): Promise<void> {
    const day = new Date(this.clock.now() - FORGET_AFTER_MS).toISOString().slice(0, 10);
    await this.bank.forgetBefore(day);
  }

  /** Settles what had to wait. */
  flush(): Promise<void> {
    return this.#settlements.flush();
  }

  /** The local ledger while it stands in for Redis. */
  #stopgap(ledger: SpendLedger): boolean {
    return this.#shared !== undefined && ledger === this.local;
  }

  #serving(): SpendLedger {
    return this.#shared !== undefined && this.redis.available ? this.#shared : this.local;
  }

  /** @param first the ledger's answer, when it was asked already */
  async #reserveIn(
    reserved: Reserved,
    first?: ReserveAnswer | Promise<ReserveAnswer>,
  ): Promise<EngineAnswer> {
    const { id, ledger, shares } = reserved;
    for (let round = 0; ; round++) {
      const step =
        round === 0 && first !== undefined ? first : ledger.reserve(id, shares, LEASE_MS);
      const answer = step instanceof Promise ? await step : step;
      if (answer.kind === 'held') return this.#held(reserved, answer.standings);
      if (answer.kind === 'known') throw new Error(`the reservation ${id} was made before`);
      if (answer.kind === 'refused') {
        // What others leased and gave back since counts as spent here until it is asked for.
        const { counter } = answer;
        if (await this.#keeper.refresh(ledger, counter, this.clock.monotonic())) continue;
        this.#over(reserved.departure);
        // Beside a Redis that is out of reach, what is held there cannot be told from what is spent.
        return this.#stopgap(ledger) ? { ...answer, by: 'held' } : answer;
      }
      if (round >= MAX_ROUNDS) {
        // Others were quicker each time: room comes and goes.
        const [lacks] = answer.missing;
        this.#over(reserved.departure);
        return { kind: 'refused', counter: lacks?.counter ?? '', by: 'held', headroom: 0 };
      }
      await this.#keeper.supply(ledger, lacking(shares, answer.missing), this.#limitOf);
    }
  }

  /** Writes a reservation down before the ledger is asked, unless the ledger ends with this process anyway. */
  #enter(wanted: Omit<Reserved, 'departure'>): Reserved {
    const departure = wanted.ledger.inProcess ? undefined : this.departures.reserved(wanted.id);
    return { ...wanted, departure };
  }

  #over(departure: Departure | undefined): void {
    if (departure !== undefined) this.departures.over(departure);
  }

  /** Ends reservations of dead processes for requests that never left them. */
  readonly #giveBack = async (ids: readonly string[]): Promise<void> => {
    for (const ledger of [this.#shared, this.local]) {
      if (ledger === undefined || ledger.inProcess) continue;
      await Promise.all(
        ids.map(async (id) => this.#settlements.settle({ id, ledger, actual: [], lost: [] })),
      );
    }
  };

  #held(reserved: Reserved, standings: readonly Standing[]): EngineAnswer {
    this.#live.set(reserved.id, { reserved, seenAt: this.clock.monotonic() });
    this.#observe(reserved.ledger, standings);
    return { kind: 'held', reserved, standings };
  }

  #toppedUp(reserved: Reserved, answer: ReserveAnswer): boolean {
    if (answer.kind !== 'held') return false;
    this.#observe(reserved.ledger, answer.standings);
    return true;
  }

  /** Moves the deadlines of the calls that live. */
  async renew(): Promise<void> {
    const silent = this.clock.monotonic() - SILENCE_MS;
    const ids = new Map<SpendLedger, string[]>();
    for (const [id, live] of this.#live) {
      if (live.seenAt < silent) this.#live.delete(id);
      else {
        const { ledger } = live.reserved;
        const mine = ids.get(ledger);
        if (mine === undefined) ids.set(ledger, [id]);
        else mine.push(id);
      }
    }
    for (const [ledger, mine] of ids) await ledger.extend(mine, LEASE_MS);
  }

  async #trim(everything: boolean): Promise<void> {
    try {
      await this.#keeper.trim({ everything });
    } catch (error) {
      if (!(error instanceof RedisUnavailable)) throw error;
    }
  }

  #observe(ledger: SpendLedger, standings: readonly Standing[]): void {
    if (standings.length === 0) return;
    this.#keeper.after(ledger, standings, this.#limitOf)?.catch((error: unknown) => {
      this.logger.warn({ err: error }, 'allowances could not be leased');
    });
    // It takes all that Redis has leased for spent: nobody may be alarmed by that.
    if (this.#stopgap(ledger)) return;
    for (const observer of this.#observers) observer(standings);
  }

  #remember(shares: readonly LimitedShare[]): void {
    for (const { counter, limit } of shares) {
      if (this.#limits.get(counter) !== limit) this.#limits.set(counter, limit);
    }
  }

  readonly #limitOf = (counter: string): number => this.#limits.get(counter) ?? 0;
}
