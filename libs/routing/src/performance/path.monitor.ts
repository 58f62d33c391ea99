import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock, type AnswerPath } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';
import { PerformanceAlerts } from '../alerts.js';
import { SlidingWindow, type WindowReading } from './sliding.window.js';

export interface Observation {
  readonly path: AnswerPath;
  /** The model that answered; undefined when none did. */
  readonly model: string | undefined;
  /** Milliseconds to the first token of a stream, or to the whole of an answer that was not one. */
  readonly durationMs: number;
  readonly ok: boolean;
}

export type Verdict = 'met' | 'missed' | 'no_data';

export interface PathReport extends WindowReading {
  readonly successRate: number | undefined;
  readonly target?: { readonly p95: number; readonly success: number };
  readonly verdict?: Verdict;
  /** Worse than its own last hour. */
  readonly degraded: boolean;
  readonly baselineP95: number | undefined;
}

export const PATHS: readonly AnswerPath[] = ['cache', 'direct', 'mcp', 'hybrid'];

const SLOT_MS = 30_000;
/** The window: five minutes. */
const RECENT = 10;
/** The trailing baseline: the hour before it. */
const BASELINE = 120;
const MIN_CALLS = 20;
const CHECK_MS = 5000;
/** Degraded: half as slow again as the baseline and more than noise, or five points less success. */
const SLOWER = 1.5;
const SLOWER_MS = 20;
const LESS_SUCCESS = 0.05;
const MAX_MODELS = 500;

/** Percentiles and success per path and per model over five minutes, against the targets and against the hour before. */
@Injectable()
export class PathMonitor {
  readonly #paths = new Map<AnswerPath, SlidingWindow>(PATHS.map((path) => [path, window()]));
  readonly #models = new LRUCache<string, SlidingWindow>({ max: MAX_MODELS });
  #checkedAt = 0;

  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly alerts: PerformanceAlerts,
  ) {}

  record(observation: Observation): void {
    const now = this.clock.now();
    const duration = observation.ok ? observation.durationMs : undefined;
    this.#paths.get(observation.path)?.record(now, duration);
    if (observation.model !== undefined) this.#model(observation.model).record(now, duration);
    if (now - this.#checkedAt < CHECK_MS) return;
    this.#checkedAt = now;
    this.check();
  }

  path(path: AnswerPath): PathReport {
    const target = this.config.current.sluice.routing.targets[path];
    const report = this.#report(this.#paths.get(path));
    return { ...report, target, verdict: verdictOf(report, target) };
  }

  model(id: string): PathReport {
    return this.#report(this.#models.peek(id));
  }

  get models(): string[] {
    return [...this.#models.keys()];
  }

  /** Raises and resolves alerts. Runs by itself while there is traffic. */
  check(): void {
    for (const path of PATHS) {
      const report = this.path(path);
      this.#judge(path, report);
      const { p95, target } = report;
      if (report.verdict === 'missed' && report.calls >= MIN_CALLS) {
        const text = `path ${path} misses its targets: p95 ${ms(p95)} of ${ms(target?.p95)}, success ${percent(report.successRate)} of ${percent(target?.success)}`;
        this.alerts.raise('target_missed', path, text);
      } else this.alerts.resolve('target_missed', path);
    }
    for (const [id, slots] of this.#models.entries())
      this.#judge(`model:${id}`, this.#report(slots));
  }

  #judge(subject: string, report: PathReport): void {
    const slow = report.degraded && isSlower(report);
    if (slow) {
      this.alerts.raise(
        'latency',
        subject,
        `${subject} is slower than before: p95 ${ms(report.p95)}, baseline ${ms(report.baselineP95)}`,
      );
    } else this.alerts.resolve('latency', subject);
    if (report.degraded && !slow) {
      this.alerts.raise(
        'success',
        subject,
        `${subject} fails more than before: success ${percent(report.successRate)}`,
      );
    } else this.alerts.resolve('success', subject);
  }

  #report(slots: SlidingWindow | undefined): PathReport {
    const now = this.clock.now();
    const recent = slots?.read(now, { count: RECENT }) ?? NOTHING;
    const before = slots?.read(now, { skip: RECENT, count: BASELINE }) ?? NOTHING;
    const report = {
      ...recent,
      successRate: successOf(recent),
      baselineP95: before.p95,
    };
    const enough = recent.calls >= MIN_CALLS && before.calls >= MIN_CALLS;
    const failing = (successOf(before) ?? 0) - (report.successRate ?? 1) > LESS_SUCCESS;
    return { ...report, degraded: enough && (isSlower(report) || failing) };
  }

  #model(id: string): SlidingWindow {
    let slots = this.#models.get(id);
    if (slots === undefined) {
      slots = window();
      this.#models.set(id, slots);
    }
    return slots;
  }
}

const NOTHING: WindowReading = {
  calls: 0,
  failures: 0,
  p50: undefined,
  p95: undefined,
  p99: undefined,
};

function window(): SlidingWindow {
  return new SlidingWindow(SLOT_MS, RECENT + BASELINE);
}

function successOf(reading: WindowReading): number | undefined {
  return reading.calls === 0 ? undefined : 1 - reading.failures / reading.calls;
}

function isSlower({
  p95,
  baselineP95,
}: {
  p95: number | undefined;
  baselineP95: number | undefined;
}): boolean {
  if (p95 === undefined || baselineP95 === undefined) return false;
  return p95 > baselineP95 * SLOWER && p95 - baselineP95 > SLOWER_MS;
}

function verdictOf(
  report: Omit<PathReport, 'verdict'>,
  target: { p95: number; success: number },
): Verdict {
  if (report.calls === 0 || report.successRate === undefined) return 'no_data';
  const fast = report.p95 === undefined || report.p95 < target.p95;
  return fast && report.successRate >= target.success ? 'met' : 'missed';
}

function ms(value: number | undefined): string {
  return value === undefined ? 'unknown' : `${value.toFixed(1)} ms`;
}

function percent(value: number | undefined): string {
  return value === undefined ? 'unknown' : `${(value * 100).toFixed(1)} %`;
}
