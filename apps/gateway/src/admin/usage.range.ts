const DAY_MS = 86_400_000;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DEFAULT_DAYS = 30;
const DEFAULT_DAYS_BY_HOUR = 7;

interface AskedRange {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly group_by?: readonly string[];
  readonly caller?: string | undefined;
}

/**
 * The range that was asked for, as moments: `to` is exclusive, but a day given as `to` is part of it.
 * Without `from` it begins 30 days before its end: 7 days when hours are asked for, one when callers' hours are.
 */
export function usageRange(asked: AskedRange, nowMs: number): { from: Date; to: Date } {
  const to = asked.to === undefined ? nowMs : endOf(asked.to);
  const from = asked.from === undefined ? to - defaultDays(asked) * DAY_MS : Date.parse(asked.from);
  return { from: new Date(from), to: new Date(to) };
}

/** As {@link usageRange}, but for callers, whose bills are of months: without `from` it begins with the month of its end. */
export function monthRange(
  asked: Pick<AskedRange, 'from' | 'to'>,
  nowMs: number,
): { from: Date; to: Date } {
  const to = new Date(asked.to === undefined ? nowMs : endOf(asked.to));
  // The last moment that is counted: midnight of the first belongs to the month that has ended.
  const last = new Date(to.getTime() - 1);
  const from =
    asked.from === undefined
      ? new Date(Date.UTC(last.getUTCFullYear(), last.getUTCMonth(), 1))
      : new Date(asked.from);
  return { from, to };
}

function endOf(moment: string): number {
  return DATE.test(moment) ? Date.parse(moment) + DAY_MS : Date.parse(moment);
}

function defaultDays({ group_by: groups = [], caller }: AskedRange): number {
  if (!groups.includes('hour')) return DEFAULT_DAYS;
  const eventsOfAll = groups.includes('caller') && caller === undefined;
  return eventsOfAll ? 1 : DEFAULT_DAYS_BY_HOUR;
}
