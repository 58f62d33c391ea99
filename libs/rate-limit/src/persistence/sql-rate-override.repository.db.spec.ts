import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openTestDatabase, type Database, type OpenTestDatabase } from '@sluice/database';
import { SqlRateOverrideRepository } from './sql-rate-override.repository.js';

let opened: OpenTestDatabase;
let database: Database;

beforeAll(async () => {
  opened = await openTestDatabase();
  ({ database } = opened);
});
afterAll(async () => {
  await opened.close();
});

it('keeps the last override of each subject until it expires', async () => {
  const overrides = new SqlRateOverrideRepository(database);
  const until = Date.UTC(2026, 5, 1);
  await overrides.save({ subject: 'ann', until, perHour: 5 });
  await overrides.save({ subject: 'ann', until, perHour: 'unlimited' });
  await overrides.save({ subject: "bob'; --", until: until + 1000, perHour: 7 });
  expect(await overrides.active(until - 1)).toEqual([
    { subject: 'ann', until, perHour: 'unlimited' },
    { subject: "bob'; --", until: until + 1000, perHour: 7 },
  ]);
  expect(await overrides.active(until)).toHaveLength(1);
  expect(await overrides.active(until + 1000)).toEqual([]);
});
