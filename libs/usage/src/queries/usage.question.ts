import { GatewayError } from '@sluice/kernel';

export const DIMENSIONS = ['model', 'provider', 'tier', 'caller', 'agent', 'day', 'hour'] as const;
export type Dimension = (typeof DIMENSIONS)[number];

export const FILTERS = ['model', 'provider', 'tier', 'caller', 'agent'] as const;
export type Filter = (typeof FILTERS)[number];

/** What an operator wants to know. Nothing here is trusted to be sensible; {@link checkQuestion} sees to it. */
export interface UsageQuestion {
  readonly tenant: string;
  /** Inclusive. */
  readonly from: Date;
  /** Exclusive. */
  readonly to: Date;
  /** None for one row of totals; at most two. */
  readonly groupBy: readonly string[];
  readonly filters?: Partial<Record<Filter, string>>;
}

export interface CheckedQuestion extends UsageQuestion {
  readonly groupBy: readonly Dimension[];
}

const DAY_MS = 86_400_000;
const MOST_GROUPS = 2;
const MOST_DAYS = 3660;
const MOST_DAYS_BY_HOUR = 92;

/** @throws GatewayError invalid_request, with the parameter at fault */
export function checkQuestion(question: UsageQuestion): CheckedQuestion {
  checkRange(question, MOST_DAYS);
  const groupBy = question.groupBy.map((name) => {
    const known = DIMENSIONS.find((dimension) => dimension === name);
    if (known !== undefined) return known;
    throw invalid(
      'group_by',
      `Unknown group '${name.slice(0, 40)}'. Known: ${DIMENSIONS.join(', ')}.`,
    );
  });
  if (new Set(groupBy).size !== groupBy.length)
    throw invalid('group_by', 'A group is named twice.');
  if (groupBy.length > MOST_GROUPS) {
    throw invalid('group_by', `At most ${MOST_GROUPS} groups can be combined.`);
  }
  if (groupBy.includes('hour')) checkRange(question, MOST_DAYS_BY_HOUR, ' by hour');
  return { ...question, groupBy };
}

/** @throws GatewayError invalid_request */
export function checkRange(
  { from, to }: { readonly from: Date; readonly to: Date },
  mostDays: number,
  grain = '',
): void {
  if (!isYear4(from)) throw invalid('from', 'Not a date between the years 1970 and 9999.');
  if (!isYear4(to)) throw invalid('to', 'Not a date between the years 1970 and 9999.');
  if (from.getTime() >= to.getTime())
    throw invalid('from', 'The range is empty: from must be before to.');
  if (to.getTime() - from.getTime() > mostDays * DAY_MS) {
    throw invalid('from', `The range${grain} can span at most ${mostDays} days.`);
  }
}

export function invalid(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', message, { param });
}

function isYear4(date: Date): boolean {
  const year = date.getUTCFullYear();
  return year >= 1970 && year <= 9999;
}
