import type { ReplicaRow, WindowRow } from '../sharing/replica.store.js';
import { anytimeBounds } from './anytime.bound.js';

interface Counts {
  /** Calls that the estimator decided on. */
  seen: number;
  /** Answers of a simple-grade model among them that somebody has looked at. */
  labels: number;
  failures: number;
}

export interface ThresholdState {
  /** Estimates below it are simple work. */
  readonly threshold: number;
  /** Where it comes from: the committed calibration, or this installation's own labels. */
  readonly source: 'calibration' | 'vouched' | 'refuted';
  readonly seen: number;
  readonly labels: number;
  /** Share of the seen calls that failed where a stronger model was not asked: bounds that hold at all times. */
  readonly loss: { readonly lower: number; readonly upper: number };
}

/** All bounds of all bins hold together with probability 95 %, for as long as the evidence is collected. */
const ALPHA = 0.05;
const SUBJECT = 'threshold:';

/**
 * Learns the estimator's threshold from this installation's own answers. Calls are binned by estimate; in each bin the
 * answers of simple-grade models are counted, and how many failed inspection or were judged bad. The loss of a threshold is
 * the share of calls below it that fail, as if a stronger model never did, which is on the cautious side.
 *
 * The committed calibration holds until the evidence says otherwise: it is refuted when the loss under it surely exceeds
 * what is allowed, and raised as far as the loss surely stays below that.
 */
export class ThresholdEvidence {
  readonly #own: Counts[];
  /** By replica and bin. */
  readonly #others = new Map<string, Counts & { readonly bin: number }>();
  readonly #changed = new Set<number>();
  readonly #known = new Map<number, ThresholdState>();

  /**
   * @param epoch names the models and bins that this is about; replicas add up what is about the same
   * @param edges upper ends of all bins but the last, rising
   * @param since epoch ms at which this replica began to count
   */
  constructor(
    private readonly epoch: string,
    private readonly edges: readonly number[],
    private readonly since: number,
  ) {
    this.#own = Array.from({ length: edges.length + 1 }, () => ({
      seen: 0,
      labels: 0,
      failures: 0,
    }));
  }

  /** The estimator decided on a call of this estimate. */
  seen(estimate: number): void {
    this.#count(estimate, { seen: 1, labels: 0, failures: 0 });
  }

  /** A simple-grade model's answer to a call that was seen passed or failed. */
  label(estimate: number, ok: boolean): void {
    this.#count(estimate, { seen: 0, labels: 1, failures: ok ? 0 : 1 });
  }

  /** An answer that had passed was judged bad by who got it. */
  revoke(estimate: number): void {
    this.#count(estimate, { seen: 0, labels: 0, failures: 1 });
  }

  /**
   * As of the last exchange with the replicas: judging takes a tenth of a millisecond, which no call should wait for.
   * @param calibrated the committed threshold for this loss
   */
  state(maxLoss: number, calibrated: number): ThresholdState {
    let state = this.#known.get(maxLoss);
    if (state === undefined) {
      state = this.#judge(maxLoss, calibrated);
      this.#known.set(maxLoss, state);
    }
    return state;
  }

  /** What was counted here since this was asked last. */
  takeChanged(): WindowRow[] {
    const rows = [...this.#changed].flatMap((bin) => {
      const { seen, labels, failures } = this.#own[bin] ?? NOTHING;
      const row = (what: string, calls: number, failed: number): WindowRow => ({
        subject: `${SUBJECT}${this.epoch}:${what}:${bin}`,
        start: this.since,
        calls,
        failures: failed,
      });
      return [row('seen', seen, 0), row('labels', labels, failures)];
    });
    this.#changed.clear();
    this.#known.clear();
    return rows;
  }

  /** Takes what another replica counted; rows about something else are left alone. */
  adopt(row: ReplicaRow): void {
    const [, epoch, what, number] = /^threshold:(\w+):(seen|labels):(\d+)$/.exec(row.subject) ?? [];
    const bin = Number(number);
    if (epoch !== this.epoch || bin >= this.#own.length) return;
    const key = `${row.replica} ${bin}`;
    const before = this.#others.get(key) ?? { ...NOTHING, bin };
    this.#others.set(
      key,
      what === 'seen'
        ? { ...before, seen: row.calls }
        : { ...before, labels: row.calls, failures: row.failures },
    );
    this.#known.clear();
  }

  #count(estimate: number, change: Counts): void {
    const found = this.edges.findIndex((edge) => estimate < edge);
    const bin = found === -1 ? this.edges.length : found;
    const counts = this.#own[bin];
    if (counts === undefined || !Number.isFinite(estimate)) return;
    counts.seen += change.seen;
    counts.labels += change.labels;
    counts.failures = Math.min(counts.labels, counts.failures + change.failures);
    this.#changed.add(bin);
  }

  #judge(maxLoss: number, calibrated: number): ThresholdState {
    const bins = this.#totals();
    const seen = bins.reduce((sum, bin) => sum + bin.seen, 0);
    const labels = bins.reduce((sum, bin) => sum + bin.labels, 0);
    let vouched = -Infinity;
    let vouching = seen > 0;
    const upTo = { lower: 0, upper: 0 };
    let loss = { lower: 0, upper: seen === 0 ? 1 : 0 };
    bins.forEach((bin, i) => {
      // Two bounds a bin, in all bins at once.
      const bounds = anytimeBounds(bin.failures, bin.labels, ALPHA / (2 * bins.length));
      const share = seen === 0 ? 0 : bin.seen / seen;
      upTo.lower += share * bounds.lower;
      upTo.upper += share * bounds.upper;
      const edge = this.edges[i] ?? Infinity;
      vouching &&= upTo.upper <= maxLoss && bin.labels > 0;
      if (vouching) vouched = edge;
      // What is done now ends at the calibrated threshold.
      if (edge <= calibrated) loss = { ...upTo };
    });
    const base = { seen, labels, loss };
    if (loss.lower > maxLoss) return { ...base, threshold: vouched, source: 'refuted' };
    return vouched > calibrated
      ? { ...base, threshold: vouched, source: 'vouched' }
      : { ...base, threshold: calibrated, source: 'calibration' };
  }

  #totals(): Counts[] {
    const totals = this.#own.map((counts) => ({ ...counts }));
    for (const { bin, seen, labels, failures } of this.#others.values()) {
      const total = totals[bin];
      if (total === undefined) continue;
      total.seen += seen;
      total.labels += labels;
      total.failures += failures;
    }
    return totals;
  }
}

const NOTHING: Counts = { seen: 0, labels: 0, failures: 0 };
