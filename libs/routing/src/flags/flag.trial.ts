import { SlidingWindow } from '../performance/sliding.window.js';
import type { FlagBounds } from './flag.store.js';

const SLOT_MS = 60_000;
const SLOTS = 30;
/** Below this a ratio of latencies says nothing. */
const NOISE_MS = 2;
/** One-sided 95 %. */
const Z = 1.645;

/** Calls with a flag against calls without it, side by side in time. */
export class FlagTrial {
  readonly #with = new SlidingWindow(SLOT_MS, SLOTS);
  readonly #without = new SlidingWindow(SLOT_MS, SLOTS);

  constructor(readonly bounds: FlagBounds) {}

  record(on: boolean, now: number, durationMs: number | undefined): void {
    (on ? this.#with : this.#without).record(now, durationMs);
  }

  /** Why the flag must go; undefined while nothing speaks against it. */
  verdict(now: number): string | undefined {
    const on = this.#with.read(now);
    const off = this.#without.read(now);
    const { minCalls, p95Bound, errorBound } = this.bounds;
    if (on.calls < minCalls || off.calls < minCalls) return undefined;
    if (on.p95 !== undefined && off.p95 !== undefined) {
      const limit = off.p95 * (1 + p95Bound) + NOISE_MS;
      if (on.p95 > limit)
        return `p95 ${on.p95.toFixed(1)} ms with it, ${off.p95.toFixed(1)} ms without`;
    }
    const a = on.failures / on.calls;
    const b = off.failures / off.calls;
    // The bound must be crossed by more than chance: a single failure among few calls is no verdict.
    const noise = Z * Math.sqrt((a * (1 - a)) / on.calls + (b * (1 - b)) / off.calls);
    if (a - b - noise > errorBound) {
      return `error rate ${(a * 100).toFixed(1)} % with it, ${(b * 100).toFixed(1)} % without`;
    }
    return undefined;
  }
}
