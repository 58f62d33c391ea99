import { build, type Histogram } from 'hdr-histogram-js';

export interface WindowReading {
  readonly calls: number;
  readonly failures: number;
  /** Milliseconds; undefined without a completed call. */
  readonly p50: number | undefined;
  readonly p95: number | undefined;
  readonly p99: number | undefined;
}

interface Slot {
  readonly index: number;
  readonly latency: Histogram;
  failures: number;
  calls: number;
}

/** Latencies are kept in tenths of a millisecond, to two significant digits. */
const UNITS_PER_MS = 10;
const HIGHEST = 3_600_000 * UNITS_PER_MS;

function histogram(): Histogram {
  // Packed: a few hundred bytes where an array of counts would take a hundred kilobytes.
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST,
    numberOfSignificantValueDigits: 2,
    bitBucketSize: 'packed',
    useWebAssembly: false,
  });
}

/** Latency percentiles and failures of the last `slots` × `slotMs`, forgetting one slot at a time. */
export class SlidingWindow {
  readonly #slots: Slot[] = [];

  constructor(
    readonly slotMs: number,
    private readonly slots: number,
  ) {}

  /** A failure counts as a call and has no latency: what fails fast must not look fast. */
  record(now: number, durationMs: number | undefined): void {
    const slot = this.#slot(now);
    slot.calls++;
    if (durationMs === undefined) slot.failures++;
    else
      slot.latency.recordValue(
        Math.min(HIGHEST, Math.max(1, Math.round(durationMs * UNITS_PER_MS))),
      );
  }

  /** The last `count` slots (all by default) before `now`, without the newest `skip`. */
  read(
    now: number,
    { skip = 0, count = this.slots }: { skip?: number; count?: number } = {},
  ): WindowReading {
    const newest = Math.floor(now / this.slotMs) - skip;
    const all = histogram();
    let calls = 0;
    let failures = 0;
    for (const slot of this.#slots) {
      if (slot.index > newest || slot.index <= newest - count) continue;
      all.add(slot.latency);
      calls += slot.calls;
      failures += slot.failures;
    }
    const percentile = (p: number) =>
      all.totalCount === 0 ? undefined : all.getValueAtPercentile(p) / UNITS_PER_MS;
    return { calls, failures, p50: percentile(50), p95: percentile(95), p99: percentile(99) };
  }

  #slot(now: number): Slot {
    const index = Math.floor(now / this.slotMs);
    const last = this.#slots.at(-1);
    if (last?.index === index) return last;
    const slot = { index, latency: histogram(), failures: 0, calls: 0 };
    this.#slots.push(slot);
    while ((this.#slots[0]?.index ?? index) <= index - this.slots) this.#slots.shift();
    return slot;
  }
}
