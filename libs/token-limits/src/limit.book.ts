import { Injectable } from '@nestjs/common';
import { GenerationMap } from '@sluice/kernel';
import type { Limit } from './scopes/limit.js';
import type { Standing } from './ledger/spend.ledger.js';

/** A limit and what its counter stood at when it was last seen. */
export interface Entry {
  readonly limit: number;
  readonly of: Limit;
  readonly period: string;
  readonly counter: string;
  spent: number;
  held: number;
}

/**
 * What this process last saw of each counter, for what must be quick and may be a moment old: headers, degradation, the
 * automatic stop, alerts. Decisions about money are never made here.
 */
@Injectable()
export class LimitBook {
  readonly #entries = new GenerationMap<Entry>(25_000);
  readonly #system = new Map<string, Entry>();

  /** Notes which limit a counter counts for. */
  enter(counter: string, of: Limit, period: string): Entry {
    let entry = this.#entries.get(counter);
    if (entry?.limit !== of.limit) {
      const { spent = 0, held = 0 } = entry ?? {};
      entry = { limit: of.limit, of, period, counter, spent, held };
      this.#entries.set(counter, entry);
      if (of.kind === 'system') {
        // A new period replaces the old one of the same limit.
        this.#system.set(`${of.unit} ${of.span}`, entry);
      }
    }
    return entry;
  }

  /** Takes over new standings; returns the entries they belong to. */
  update(standings: readonly Standing[]): readonly Entry[] {
    const entries: Entry[] = [];
    for (const { counter, spent, held } of standings) {
      const entry = this.#entries.get(counter);
      if (entry === undefined) continue;
      entry.spent = spent;
      entry.held = held;
      entries.push(entry);
    }
    return entries;
  }

  get(counter: string): Entry | undefined {
    return this.#entries.get(counter);
  }

  /** The fullest limit of each scope that stands in the configuration, in its latest period. */
  ratios(): ReadonlyMap<string, number> {
    const latest = new Map<string, Entry>();
    for (const entry of this.#entries.values()) {
      if (entry.of.kind === 'caller') continue;
      const key = `${entry.of.scope} ${entry.of.unit} ${entry.of.span}`;
      const present = latest.get(key);
      if (present === undefined || present.period < entry.period) latest.set(key, entry);
    }
    const ratios = new Map<string, number>();
    for (const { of, spent, limit } of latest.values()) {
      ratios.set(of.scope, Math.max(ratios.get(of.scope) ?? 0, limit === 0 ? 1 : spent / limit));
    }
    return ratios;
  }

  /** All but the callers'. */
  named(): readonly Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.of.kind !== 'caller');
  }

  system(): Iterable<Entry> {
    return this.#system.values();
  }
}
