import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { USAGE_COLUMNS } from '../persistence/usage.columns.js';
import { anEvent } from '../testing/usage-events.js';
import { UsageDatabase } from '../testing/usage-database.js';
import { UsageExport } from './usage.export.js';

const day = Date.UTC(2026, 10, 20);
const range = { from: new Date(day), to: new Date(day + 86_400_000) };
let db: UsageDatabase;
let csv: UsageExport;

beforeAll(async () => {
  db = await UsageDatabase.start();
  csv = new UsageExport(db.database.reports);
});
afterAll(() => db.stop());

async function lines(tenant: string, asked = range): Promise<string[]> {
  let text = '';
  for await (const piece of csv.csv({ tenant, ...asked })) text += piece;
  expect(text.endsWith('\n')).toBe(true);
  return text.slice(0, -1).split('\n');
}

describe('the CSV export', () => {
  it('has a line for every event of the tenant, once, in the order of time', async () => {
    // Crowded seconds, empty hours, and many events at the very same moment.
    const events = Array.from({ length: 4500 }, (_, n) =>
      anEvent({ tenant: 'many', at: day + (n < 2500 ? 5_000 : n * 17_000) }),
    );
    for (let n = 0; n < events.length; n += 500) await db.insert(...events.slice(n, n + 500));
    await db.insert(anEvent({ tenant: 'other', at: day }));
    const [header, ...rows] = await lines('many');
    expect(header).toBe(USAGE_COLUMNS.map(({ name }) => name).join(','));
    const ids = rows.map((row) => row.split(',')[0]);
    const inRange = events.filter(({ at }) => at < range.to.getTime());
    expect(new Set(ids)).toEqual(new Set(inRange.map(({ requestId }) => requestId)));
    expect(ids).toHaveLength(inRange.length);
    const times = rows.map((row) => row.split(',')[1] ?? '');
    expect(times).toEqual(times.toSorted());
    expect(times[0]).toBe('2026-11-20T00:00:05.000Z');
  });

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '\rx'])(
    'defuses the formula %j',
    async (agent) => {
      const tenant = `formula ${agent}`;
      await db.insert(anEvent({ tenant, at: day, agent }));
      const text = (await lines(tenant)).slice(1).join('\n');
      expect(text).toContain(`"'${agent}"`);
    },
  );

  it('quotes what would break a line', async () => {
    await db.insert(anEvent({ tenant: 'q', at: day, agent: 'a "b", c' }));
    expect((await lines('q'))[1]).toContain(',"a ""b"", c",');
  });

  it('is only the header where nothing happened, also over ten years', async () => {
    const asked = { from: new Date(day - 3600 * 86_400_000), to: new Date(day) };
    expect(await lines('nobody', asked)).toHaveLength(1);
  });

  it('refuses a range that is empty or too long before it sends anything', () => {
    expect(() => csv.csv({ tenant: 't', from: range.to, to: range.from })).toThrow('range');
    const from = new Date(day - 4000 * 86_400_000);
    expect(() => csv.csv({ tenant: 't', from, to: range.to })).toThrow('3660');
  });
});
