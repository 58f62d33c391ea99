/** At most `limit` requests in any span of `windowMs` milliseconds. */
export interface RateWindow {
  readonly name: 'minute' | 'hour';
  readonly limit: number;
  readonly windowMs: number;
}

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;

/** Longest log kept for one window of one subject. */
const MAX_PAGES = 1000;

/**
 * How many requests one entry of the log stands for. Up to 1,000 each has its own and the log is exact; above, an
 * entry bears the time of its last request, so the limit still holds in any window, and a slot comes free late
 * by at most one entry: a thousandth of the limit.
 */
export function pageSize(limit: number): number {
  return Math.max(1, Math.ceil(limit / MAX_PAGES));
}

export interface WindowState {
  readonly window: RateWindow;
  /** Requests that may be made now. */
  readonly remaining: number;
  /** Milliseconds until the whole limit is free again. */
  readonly resetMs: number;
}

export interface RateVerdict {
  readonly allowed: boolean;
  /** Milliseconds after which the same request passes, if nobody else comes first; 0 when allowed. */
  readonly retryAfterMs: number;
  /** One entry a window, in the order they were given. */
  readonly states: readonly WindowState[];
  /** True when the decision was made without the shared counters. */
  readonly degraded: boolean;
}

/** The window a client should look at: the one that lets the fewest through now; the longer one when equal. */
export function tightest(states: readonly WindowState[]): WindowState | undefined {
  let found: WindowState | undefined;
  for (const state of states) {
    if (
      found === undefined ||
      state.remaining < found.remaining ||
      (state.remaining === found.remaining && state.window.windowMs > found.window.windowMs)
    ) {
      found = state;
    }
  }
  return found;
}
