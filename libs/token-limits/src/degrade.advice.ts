import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock, type Caller, type Grade } from '@sluice/kernel';
import { LimitBook } from './limit.book.js';
import { limitsOf } from './scopes/limit.catalogue.js';
import { counterKey } from './scopes/limit.js';
import { Calendar } from './scopes/period.js';

/** Moves new calls to cheaper grades when a budget runs low. Quick, and a moment behind the counters. */
@Injectable()
export class DegradeAdvice {
  readonly #calendar = new Calendar();

  constructor(
    private readonly config: ConfigStore,
    private readonly book: LimitBook,
    private readonly clock: Clock,
  ) {}

  /** The grade that a call of `wanted` should be given now. */
  gradeFor(caller: Caller, wanted: Grade): Grade {
    const rules = this.config.current.policies.degrade;
    if (rules.length === 0) return wanted;
    const ratio = this.#ratio(caller);
    let grade = wanted;
    for (const rule of rules) if (rule.from === grade && ratio >= rule.at) grade = rule.to;
    return grade;
  }

  /** The dearest grade left for a caller; undefined when nothing is cut. */
  gradeCeiling(caller: Caller): Grade | undefined {
    const grade = this.gradeFor(caller, 'complex');
    return grade === 'complex' ? undefined : grade;
  }

  #ratio(caller: Caller): number {
    const now = this.clock.now();
    let fullest = 0;
    for (const limit of limitsOf(this.config.current.policies, { caller })) {
      const entry = this.book.get(counterKey(limit, this.#calendar.at(limit.span, now).id));
      if (entry !== undefined && limit.limit > 0)
        fullest = Math.max(fullest, entry.spent / limit.limit);
    }
    return fullest;
  }
}
