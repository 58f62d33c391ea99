import { describe, expect, it } from '@jest/globals';
import { GatewayError } from '@sluice/kernel';
import { planUsage } from './usage.plan.js';
import { checkQuestion, DIMENSIONS, type UsageQuestion } from './usage.question.js';

const DAY = 86_400_000;
const to = new Date('2026-03-01T00:00:00Z');

function question(changes: Partial<UsageQuestion> & { days?: number } = {}): UsageQuestion {
  const { days = 1, ...rest } = changes;
  return { tenant: 't', from: new Date(to.getTime() - days * DAY), to, groupBy: [], ...rest };
}
function fault(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error instanceof GatewayError ? [error.code, error.param] : error;
  }
  return 'accepted';
}

describe('a question about usage', () => {
  it.each([
    ['from after to', question({ from: new Date(to.getTime() + 1) }), 'from'],
    ['from equal to to', question({ from: to }), 'from'],
    ['a range over ten years', question({ days: 3661 }), 'from'],
    ['hours over more than 92 days', question({ days: 93, groupBy: ['hour'] }), 'from'],
    ['an unknown group', question({ groupBy: ['tenant'] }), 'group_by'],
    ['SQL for a group', question({ groupBy: ['model; DROP TABLE token_usage'] }), 'group_by'],
    ['a group twice', question({ groupBy: ['day', 'day'] }), 'group_by'],
    ['three groups', question({ groupBy: ['day', 'model', 'tier'] }), 'group_by'],
    ['no date', question({ from: new Date(NaN) }), 'from'],
    ['a year that Postgres and people do not share', question({ to: new Date(8.64e15) }), 'to'],
  ])('is refused with %s', (_, asked, param) => {
    expect(fault(() => checkQuestion(asked))).toEqual(['invalid_request', param]);
  });

  it('is refused when it wants callers by hour over days that would have to be read event by event', () => {
    const asked = checkQuestion(question({ days: 2, groupBy: ['hour', 'caller'] }));
    expect(fault(() => planUsage(asked, { limit: 1 }))).toEqual(['invalid_request', 'from']);
    const ofOne = checkQuestion(
      question({ days: 31, groupBy: ['hour', 'agent'], filters: { caller: 'alice' } }),
    );
    expect(planUsage(ofOne, { limit: 1 }).source).toBe('token_usage');
  });

  it('has an answer for every pair of groups, and only callers by hour read events', () => {
    const sources: Record<string, string> = {};
    for (const [index, first] of DIMENSIONS.entries()) {
      for (const second of DIMENSIONS.slice(index + 1)) {
        const plan = planUsage(checkQuestion(question({ groupBy: [first, second] })), { limit: 1 });
        sources[`${first},${second}`] = plan.source;
      }
    }
    expect(Object.keys(sources)).toHaveLength(21);
    const events = Object.keys(sources).filter((pair) => sources[pair] === 'token_usage');
    expect(events).toEqual(['caller,hour']);
  });

  it('is widened to whole days, or to whole hours when it is about hours', () => {
    const from = new Date('2026-02-10T10:20:30Z');
    const range = { from, to: new Date('2026-02-12T00:00:01Z') };
    const byDay = planUsage(checkQuestion(question({ ...range, groupBy: ['day'] })), { limit: 1 });
    expect([byDay.from, byDay.to]).toEqual([
      new Date('2026-02-10T00:00:00Z'),
      new Date('2026-02-13T00:00:00Z'),
    ]);
    const byHour = planUsage(checkQuestion(question({ ...range, groupBy: ['hour'] })), {
      limit: 1,
    });
    expect([byHour.from, byHour.to]).toEqual([
      new Date('2026-02-10T10:00:00Z'),
      new Date('2026-02-12T01:00:00Z'),
    ]);
  });
});
