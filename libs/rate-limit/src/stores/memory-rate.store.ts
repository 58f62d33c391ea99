import type { Clock } from '@sluice/kernel';
import {
  HOUR_MS,
  pageSize,
  type RateVerdict,
  type RateWindow,
  type WindowState,
} from '../rate-window.js';
import { PageLog } from './page-log.js';
import { RateStore } from './rate.store.js';
import { RecencyMap } from './recency-map.js';

const US = 1000;
/** A clock that stepped back by less is waited for; by more, the log moves with it. */
const STEP_US = 1_000_000;

type Logs = Partial<Record<RateWindow['name'], PageLog>>;

/** The log in this process: the twin of `decide-requests.lua`, bounded in memory. */
export class MemoryRateStore extends RateStore {
  readonly #known: RecencyMap<Logs>;
  /** Apart from the others, so that a flood of addresses cannot push known callers' logs out. */
  readonly #addresses: RecencyMap<Logs>;
  readonly #now: () => number;

  constructor(clock: Clock, options: { readonly maxSubjects?: number } = {}) {
    super();
    const max = options.maxSubjects ?? 100_000;
    this.#known = new RecencyMap(max, HOUR_MS * US);
    this.#addresses = new RecencyMap(max, HOUR_MS * US);
    // The monotonic clock: setting the machine's clock neither frees nor blocks anybody.
    this.#now = () => Math.floor(clock.monotonic() * US);
  }

  /** Subjects whose logs are in memory. */
  get size(): number {
    return this.#known.size + this.#addresses.size;
  }

  decide(subject: string, windows: readonly RateWindow[]): RateVerdict {
    return this.decideAt(subject, windows, this.#now());
  }

  /** Counts a request that another store let through. */
  count(subject: string, windows: readonly RateWindow[]): void {
    const at = this.#now();
    const logs = this.#logsOf(subject, windows, at);
    const now = settle(logs, at);
    logs.forEach((log, i) => {
      log.prune(now - (windows[i]?.windowMs ?? 0) * US);
      log.add(now);
    });
  }

  /** The subjects that have made requests. */
  subjects(): readonly string[] {
    return [...this.#known.entries(), ...this.#addresses.entries()].map(([subject]) => subject);
  }

  /** How long ago each request of a window was made, in microseconds, oldest first. */
  ages(subject: string, { name, windowMs }: RateWindow): readonly number[] {
    const now = this.#now();
    const pool = subject.includes('ip:') ? this.#addresses : this.#known;
    const stamps = pool.peek(subject)?.[name]?.requests() ?? [];
    return stamps.map((stamp) => now - stamp).filter((age) => age < windowMs * US);
  }

  /** {@link decide} at a given time in microseconds. */
  decideAt(subject: string, windows: readonly RateWindow[], at: number): RateVerdict {
    const mine = this.#logsOf(subject, windows, at);
    const now = settle(mine, at);
    let retryUs = 0;
    for (let i = 0; i < mine.length; i += 1) {
      const [log, window] = [mine[i], windows[i]];
      if (log !== undefined && window !== undefined) {
        retryUs = Math.max(retryUs, waitOf(log, window, now));
      }
    }
    const allowed = retryUs === 0;
    if (allowed) for (const log of mine) log.add(now);
    return {
      allowed,
      retryAfterMs: Math.ceil(retryUs / US),
      degraded: false,
      states: windows.map((window, i) => stateOf(mine[i], window, now)),
    };
  }

  #logsOf(subject: string, windows: readonly RateWindow[], at: number): readonly PageLog[] {
    const pool = subject.includes('ip:') ? this.#addresses : this.#known;
    const logs = pool.touch(subject, at, () => ({}));
    return windows.map((window) => {
      const page = pageSize(window.limit);
      let log = logs[window.name];
      if (log?.page !== page) logs[window.name] = log = new PageLog(page);
      return log;
    });
  }
}

/** Microseconds until the window lets one more through; 0 when it does now. Forgets what has left the window. */
function waitOf(log: PageLog, { limit, windowMs }: RateWindow, now: number): number {
  const span = windowMs * US;
  log.prune(now - span);
  return log.used < limit ? 0 : log.blocking(limit) + span - now;
}

function stateOf(log: PageLog | undefined, window: RateWindow, now: number): WindowState {
  const used = log?.used ?? 0;
  const fullAt = (log?.newest ?? now) + window.windowMs * US;
  return {
    window,
    remaining: Math.max(0, window.limit - used),
    resetMs: used === 0 ? 0 : Math.ceil((fullAt - now) / US),
  };
}

/** Time never runs backwards within a log. */
function settle(logs: readonly PageLog[], now: number): number {
  let newest = -Infinity;
  for (const log of logs) newest = Math.max(newest, log.newest);
  if (newest <= now) return now;
  if (newest - now <= STEP_US) return newest;
  for (const log of logs) log.shift(newest - now);
  return now;
}
