import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Database, startTestPostgres, type TestPostgres } from '@sluice/database';
import { SilentLogger } from '@sluice/observability';
import { SqlRateOverrideRepository } from './sql-rate-override.repository.js';

let server: TestPostgres;
let database: Database;

beforeAll(async () => {
  server = await startTestPostgres();
  const { url } = await server.createDatabase();
  const settings = {
    url,
    poolMax: 2,
    dataDir: '',
    embedded: 'join' as const,
  };
  database = await Database.open({ settings, logger: new SilentLogger() });
});
afterAll(async () => {
  await database.close();
  await server.stop();
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
