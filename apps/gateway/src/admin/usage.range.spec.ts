import { describe, expect, it } from '@jest/globals';
import { monthRange, usageRange } from './usage.range.js';

const now = Date.UTC(2026, 10, 20, 12);
const iso = (asked: Parameters<typeof usageRange>[0]) => {
  const { from, to } = usageRange(asked, now);
  return [from.toISOString(), to.toISOString()];
};

describe('the range of a usage question', () => {
  it('takes a day given as its end whole', () => {
    expect(iso({ from: '2026-11-01', to: '2026-11-01' })).toEqual([
      '2026-11-01T00:00:00.000Z',
      '2026-11-02T00:00:00.000Z',
    ]);
  });

  it('takes a moment as it stands, zone included', () => {
    expect(iso({ from: '2026-11-01T01:00:00+01:00', to: '2026-11-01T12:00:00Z' })).toEqual([
      '2026-11-01T00:00:00.000Z',
      '2026-11-01T12:00:00.000Z',
    ]);
  });

  it.each([
    [{}, 30],
    [{ group_by: ['hour', 'model'] }, 7],
    [{ group_by: ['hour', 'agent'] }, 7],
    [{ group_by: ['hour', 'caller'] }, 1],
    [{ group_by: ['hour', 'caller'], caller: 'alice' }, 7],
  ])('%j reaches back %d days when nothing is said', (asked, days) => {
    const { from, to } = usageRange(asked, now);
    expect([to.getTime(), (to.getTime() - from.getTime()) / 86_400_000]).toEqual([now, days]);
  });
});

describe('the range of a caller’s own usage', () => {
  const own = (asked: Parameters<typeof monthRange>[0]) => {
    const { from, to } = monthRange(asked, now);
    return [from.toISOString().slice(0, 16), to.toISOString().slice(0, 16)];
  };
  it.each([
    [{}, '2026-11-01T00:00', '2026-11-20T12:00'],
    [{ to: '2026-10-31' }, '2026-10-01T00:00', '2026-11-01T00:00'],
    [{ to: '2026-11-01' }, '2026-11-01T00:00', '2026-11-02T00:00'],
    [{ from: '2026-11-03', to: '2026-11-03' }, '2026-11-03T00:00', '2026-11-04T00:00'],
    [{ to: '2026-09-05T10:00:00Z' }, '2026-09-01T00:00', '2026-09-05T10:00'],
  ])('of %j is %s to %s', (asked, from, to) => {
    expect(own(asked)).toEqual([from, to]);
  });
});
