import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock, type AnswerPath } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';
import { PerformanceAlerts } from '../alerts/performance.alerts.js';
import type { ReplicaRow, WindowRow } from '../sharing/replica.store.js';
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

/** The window: five minutes. */
const RECENT_SLOT_MS = 30_000;
const RECENT_SLOTS = 10;
/** The trailing baseline: the hour before the five minutes that are not over yet. */
const HOUR_SLOT_MS = 300_000;
const HOUR_SLOTS = 12;
const MIN_CALLS = 20;
const CHECK_MS = 5000;
/** Degraded: half as slow again as the baseline and more than noise, or five points less success. */
const SLOWER = 1.5;
const SLOWER_MS = 20;
const LESS_SUCCESS = 0.05;
const MAX_MODELS = 200;

/** One path or model: its last minutes, finely, and the hour before, coarsely. */
class Watched {
  readonly recent = new SlidingWindow(RECENT_SLOT_MS, RECENT_SLOTS);
  readonly hour = new SlidingWindow(HOUR_SLOT_MS, HOUR_SLOTS + 1);

  record(now: number, durationMs: number | undefined): void {
    this.recent.record(now, durationMs);
    this.hour.record(now, durationMs);
  }
}

/**
 * Percentiles and success per path and per model over five minutes, against the targets and against the hour before: of
 * this replica and, as far as they have told, of the others.
 */
@Injectable()
export class PathMonitor {
  readonly #paths = new Map<string, Watched>(PATHS.map((path) => [path, new Watched()]));
  readonly #models = new LRUCache<string, Watched>({ max: MAX_MODELS });
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

  /** Raises and resolves alerts. Runs while there is traffic, and with every exchange of the replicas. */
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
    for (const [id, watched] of this.#models.entries())
      this.#judge(`model:${id}`, this.#report(watched));
    // Of before a restart: nobody has called that model since.
    for (const { kind, subject, resolvedAt } of this.alerts.list()) {
      const model = /^model:(.*)$/.exec(subject)?.[1];
      if (resolvedAt === undefined && model !== undefined && !this.#models.has(model)) {
        this.alerts.resolve(kind, subject);
      }
    }
  }

  /** What was recorded here since this was asked last, one path or model at a time. */
  *takeChanged(): Iterable<WindowRow[]> {
    for (const [path, { recent, hour }] of this.#paths) {
      yield [
        ...recent.takeChanged(`recent:path:${path}`),
        ...hour.takeChanged(`hour:path:${path}`),
      ];
    }
    for (const [id, { recent, hour }] of this.#models.entries()) {
      yield [...recent.takeChanged(`recent:model:${id}`), ...hour.takeChanged(`hour:model:${id}`)];
    }
  }

  /** Takes what another replica recorded; rows about something else are left alone. */
  adopt(row: ReplicaRow): void {
    const [, span, kind, name] = /^(recent|hour):(path|model):(.+)$/.exec(row.subject) ?? [];
    if (name === undefined) return;
    const watched = kind === 'path' ? this.#paths.get(name) : this.#model(name);
    (span === 'recent' ? watched?.recent : watched?.hour)?.adopt(row, this.clock.now());
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

  #report(watched: Watched | undefined): PathReport {
    const now = this.clock.now();
    const recent = watched?.recent.read(now) ?? NOTHING;
    const before = watched?.hour.read(now, { skip: 1, count: HOUR_SLOTS }) ?? NOTHING;
    const report = {
      ...recent,
      successRate: successOf(recent),
      baselineP95: before.p95,
    };
    const enough = recent.calls >= MIN_CALLS && before.calls >= MIN_CALLS;
    const failing = (successOf(before) ?? 0) - (report.successRate ?? 1) > LESS_SUCCESS;
    return { ...report, degraded: enough && (isSlower(report) || failing) };
  }

  #model(id: string): Watched {
    let watched = this.#models.get(id);
    if (watched === undefined) {
      watched = new Watched();
      this.#models.set(id, watched);
    }
    return watched;
  }
}

const NOTHING: WindowReading = {
  calls: 0,
  failures: 0,
  p50: undefined,
  p95: undefined,
  p99: undefined,
};

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
