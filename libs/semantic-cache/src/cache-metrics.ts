import { Injectable } from '@nestjs/common';
import { CallCounter, CallHistogram, Metrics } from '@sluice/observability';
import { Counter, Gauge } from 'prom-client';

export type Tier = 'l1' | 'l2' | 'semantic' | 'coalesced';

const LATENCY_BUCKETS = [
  0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1,
];
/** So many recent look-ups make the percentiles of the admin page. */
const KEPT = 1024;

interface TierCounts {
  hits: number;
  misses: number;
  readonly latencies: number[];
  at: number;
}

/** What the cache tells Prometheus, and the same numbers for the admin page. */
@Injectable()
export class CacheMetrics {
  readonly #counts: Readonly<Record<Tier, TierCounts>> = {
    l1: fresh(),
    l2: fresh(),
    semantic: fresh(),
    coalesced: fresh(),
  };
  readonly #vetoes = new Map<string, number>();
  #lookups = 0;
  #served = 0;
  readonly #hits: CallCounter;
  readonly #misses: CallCounter;
  readonly #latency: CallHistogram;
  readonly #faults: Counter;
  readonly #vetoed: Counter;
  readonly #checks: Counter;
  readonly #falseHits: Gauge;
  readonly #entries: Gauge;
  readonly #evictions: Counter;
  readonly #pressure: Counter;
  readonly #dropped: Counter;

  constructor({ registry }: Metrics) {
    const registers = [registry];
    const counter = (name: string, help: string, labelNames: string[] = []): Counter =>
      // Another room may count into the same family under other labels' values.
      (registry.getSingleMetric(name) as Counter | undefined) ??
      new Counter({ name, help, labelNames, registers });
    const gauge = (name: string, help: string, labelNames: string[] = []): Gauge =>
      new Gauge({ name, help, labelNames, registers });
    this.#hits = new CallCounter({
      name: 'sluice_cache_hits_total',
      help: 'Answers served from a cache.',
      labelNames: ['tier'],
      registers,
    });
    this.#misses = new CallCounter({
      name: 'sluice_cache_misses_total',
      help: 'Look-ups that no tier could answer.',
      registers,
    });
    this.#latency = new CallHistogram({
      name: 'sluice_cache_latency_seconds',
      help: 'Time a look-up took, by tier.',
      labelNames: ['tier'],
      buckets: LATENCY_BUCKETS,
      registers,
    });
    const hitRate = () => this.hitRate;
    new Gauge({
      name: 'sluice_cache_hit_rate',
      help: 'Share of look-ups that were answered, since the start.',
      registers,
      collect() {
        this.set(hitRate());
      },
    });
    this.#entries = gauge('sluice_cache_entries', 'Entries held.', ['tier']);
    this.#evictions = counter('sluice_cache_evictions_total', 'Entries pushed out by others.', [
      'tier',
    ]);
    this.#faults = counter('sluice_cache_faults_total', 'Faults that were answered as misses.', [
      'tier',
    ]);
    this.#vetoed = counter('sluice_semantic_vetoes_total', 'Near matches that a guard refused.', [
      'reason',
    ]);
    this.#checks = counter(
      'sluice_semantic_shadow_checks_total',
      'Answers compared with a fresh one.',
      ['result'],
    );
    this.#falseHits = gauge(
      'sluice_semantic_false_hit_rate',
      'Estimated share of wrong semantic hits.',
    );
    this.#dropped = counter(
      'sluice_cache_stores_dropped_total',
      'Answers kept in memory alone because too many waited to be stored.',
    );
    this.#pressure = counter(
      'sluice_cache_memory_pressure_total',
      'Times memory was short and the first tier halved.',
    );
  }

  lookup(tier: Tier, hit: boolean, ms: number): void {
    const counts = this.#counts[tier];
    if (hit) counts.hits++;
    else counts.misses++;
    counts.latencies[counts.at] = ms;
    counts.at = (counts.at + 1) % KEPT;
    this.#latency.observe(ms / 1000, tier);
  }

  hit(tier: Tier): void {
    this.#hits.inc(1, tier);
    this.#lookups++;
    this.#served++;
  }

  miss(): void {
    this.#misses.inc();
    this.#lookups++;
  }

  fault(tier: Tier): void {
    this.#faults.inc({ tier });
  }

  dropped(entries: number): void {
    this.#dropped.inc(entries);
  }

  veto(reasons: readonly string[]): void {
    for (const reason of reasons) {
      this.#vetoes.set(reason, (this.#vetoes.get(reason) ?? 0) + 1);
      this.#vetoed.inc({ reason });
    }
  }

  check(result: 'same' | 'different' | 'unknown', falseHitRate: number): void {
    this.#checks.inc({ result });
    this.#falseHits.set(falseHitRate);
  }

  held(tier: Tier, entries: number, evictions: number): void {
    this.#entries.set({ tier }, entries);
    const before = this.#evicted.get(tier) ?? 0;
    if (evictions > before) this.#evictions.inc({ tier }, evictions - before);
    this.#evicted.set(tier, evictions);
  }
  readonly #evicted = new Map<Tier, number>();

  pressure(): void {
    this.#pressure.inc();
  }

  /** Since the start of this process. Latencies in milliseconds over the last 1,024 look-ups. */
  tier(tier: Tier): { hits: number; misses: number; rate: number; p50: number; p95: number } {
    const { hits, misses, latencies } = this.#counts[tier];
    const sorted = [...latencies].sort((a, b) => a - b);
    const quantile = (q: number): number => sorted[Math.floor(q * (sorted.length - 1))] ?? 0;
    const rate = hits + misses === 0 ? 0 : hits / (hits + misses);
    return { hits, misses, rate, p50: quantile(0.5), p95: quantile(0.95) };
  }

  get vetoes(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#vetoes);
  }
  get hitRate(): number {
    return this.#lookups === 0 ? 0 : this.#served / this.#lookups;
  }
}

function fresh(): TierCounts {
  return { hits: 0, misses: 0, latencies: [], at: 0 };
}
