export type Span = 'day' | 'month';

/** A UTC calendar day or month. */
export interface Period {
  /** `2026-11-21` or `2026-11`; sorts by time. */
  readonly id: string;
  readonly startMs: number;
  readonly endMs: number;
}

export function periodAt(span: Span, nowMs: number): Period {
  const now = new Date(nowMs);
  const [y, m, d] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()];
  return span === 'day'
    ? {
        id: now.toISOString().slice(0, 10),
        startMs: Date.UTC(y, m, d),
        endMs: Date.UTC(y, m, d + 1),
      }
    : { id: now.toISOString().slice(0, 7), startMs: Date.UTC(y, m), endMs: Date.UTC(y, m + 1) };
}

/** Both periods of a moment, computed once a day and not once a call. */
export class Calendar {
  #day: Period = { id: '', startMs: 0, endMs: 0 };
  #month: Period = { id: '', startMs: 0, endMs: 0 };

  at(span: Span, nowMs: number): Period {
    if (nowMs < this.#day.startMs || nowMs >= this.#day.endMs) {
      this.#day = periodAt('day', nowMs);
      this.#month = periodAt('month', nowMs);
    }
    return span === 'day' ? this.#day : this.#month;
  }
}

/** What a period comes to at its end when it goes on as it began. Linear; nothing before 1 % has passed. */
export function projectedEnd(spent: number, period: Period, nowMs: number): number {
  const elapsed = (nowMs - period.startMs) / (period.endMs - period.startMs);
  return elapsed < 0.01 ? spent : Math.round(spent / Math.min(1, elapsed));
}
