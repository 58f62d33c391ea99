import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';
import type { ReplicaRow, WindowRow } from '../sharing/replica.store.js';

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
  latency: Histogram;
  failures: number;
  calls: number;
}

/** Latencies are kept in tenths of a millisecond, to two significant digits. */
const UNITS_PER_MS = 10;
const HIGHEST = 3_600_000 * UNITS_PER_MS;

function histogram(): Histogram {
  // 10 kB of counts. The packed kind is smaller and adds fifty times slower, which the event loop would pay for.
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST,
    numberOfSignificantValueDigits: 2,
    bitBucketSize: 32,
    useWebAssembly: false,
  });
}

/**
 * Latency percentiles and failures of the last `slots` × `slotMs`, forgetting one slot at a time: what was recorded here,
 * and what other replicas recorded.
 */
export class SlidingWindow {
  readonly #own: Slot[] = [];
  /** By replica and slot. */
  readonly #others = new Map<string, Slot>();
  readonly #changed = new Set<Slot>();

  constructor(
    readonly slotMs: number,
    private readonly slots: number,
  ) {}

  /** A failure counts as a call and has no latency: what fails fast must not look fast. */
  record(now: number, durationMs: number | undefined): void {
    const slot = this.#slot(now);
    this.#changed.add(slot);
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
    const add = (slot: Slot): void => {
      if (slot.index > newest || slot.index <= newest - count) return;
      all.add(slot.latency);
      calls += slot.calls;
      failures += slot.failures;
    };
    this.#own.forEach(add);
    this.#others.forEach(add);
    const percentile = (p: number) =>
      all.totalCount === 0 ? undefined : all.getValueAtPercentile(p) / UNITS_PER_MS;
    return { calls, failures, p50: percentile(50), p95: percentile(95), p99: percentile(99) };
  }

  /** Own slots that changed since this was asked last. */
  takeChanged(subject: string): WindowRow[] {
    const rows = [...this.#changed].map((slot) => ({
      subject,
      start: slot.index * this.slotMs,
      calls: slot.calls,
      failures: slot.failures,
      latency: encodeIntoCompressedBase64(slot.latency),
    }));
    this.#changed.clear();
    return rows;
  }

  /** Takes another replica's slot, in place of what it said of that slot before. */
  adopt(row: ReplicaRow, now: number): void {
    const index = Math.floor(row.start / this.slotMs);
    const oldest = Math.floor(now / this.slotMs) - this.slots;
    for (const [key, slot] of this.#others) if (slot.index <= oldest) this.#others.delete(key);
    if (index <= oldest || row.latency === undefined) return;
    this.#others.set(`${row.replica} ${index}`, {
      index,
      latency: decodeFromCompressedBase64(row.latency, 32, false),
      calls: row.calls,
      failures: row.failures,
    });
  }

  #slot(now: number): Slot {
    const index = Math.floor(now / this.slotMs);
    const last = this.#own.at(-1);
    if (last?.index === index) return last;
    const slot = { index, latency: histogram(), failures: 0, calls: 0 };
    this.#own.push(slot);
    while ((this.#own[0]?.index ?? index) <= index - this.slots) this.#own.shift();
    return slot;
  }
}
