import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock, type Caller } from '@sluice/kernel';
import { LimitBook } from './limit.book.js';
import { limitsOf, namedLimits } from './scopes/limit.catalogue.js';
import { counterKey, type Limit, type ScopeKind, type Unit } from './scopes/limit.js';
import { periodAt, projectedEnd, type Span } from './scopes/period.js';
import { SpendEngine } from './spend.engine.js';

/** How a limit stands. Tokens, or micro-USD. */
export interface LimitStanding {
  readonly kind: ScopeKind;
  readonly scope: string;
  readonly unit: Unit;
  readonly span: Span;
  readonly period: string;
  readonly limit: number;
  readonly spent: number;
  readonly held: number;
  readonly left: number;
  /** When the period ends, milliseconds since the epoch. */
  readonly resetsAt: number;
  /** Spent at the end of the period, when it goes on as it began. */
  readonly projected: number;
}

/** Shows limits by the very counters that enforce them. */
@Injectable()
export class LimitsView {
  constructor(
    private readonly engine: SpendEngine,
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly book: LimitBook,
  ) {}

  /** The caller's own limits, those of tier, tenant and system that bind it too left out. */
  async ofCaller(caller: Caller): Promise<readonly LimitStanding[]> {
    const limits = limitsOf(this.config.current.policies, { caller });
    return this.#standings(limits.filter((limit) => limit.kind === 'caller'));
  }

  /** Every limit that the configuration names. */
  async all(): Promise<readonly LimitStanding[]> {
    return this.#standings(namedLimits(this.config.current.policies));
  }

  async #standings(limits: readonly Limit[]): Promise<readonly LimitStanding[]> {
    const now = this.clock.now();
    const rows = limits.map((limit) => {
      const period = periodAt(limit.span, now);
      const counter = counterKey(limit, period.id);
      this.book.enter(counter, limit, period.id);
      return { of: limit, period, counter, limit: limit.limit };
    });
    const standings = await this.engine.standings(rows);
    return rows.map(({ of, period }, i) => {
      const { spent = 0, held = 0 } = standings[i] ?? {};
      return {
        kind: of.kind,
        scope: of.scope,
        unit: of.unit,
        span: of.span,
        period: period.id,
        limit: of.limit,
        spent,
        held,
        left: Math.max(0, of.limit - spent - held),
        resetsAt: period.endMs,
        projected: projectedEnd(spent, period, now),
      };
    });
  }
}
