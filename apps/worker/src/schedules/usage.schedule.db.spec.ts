import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { Test } from '@nestjs/testing';
import { configFromObjects } from '@sluice/config';
import { Database, startTestPostgres, type TestPostgres } from '@sluice/database';
import { ManualClock } from '@sluice/kernel';
import { DeferredWork, Logger, SilentLogger } from '@sluice/observability';
import { UsageUpkeep } from '@sluice/usage';
import { UsageSchedule } from './usage.schedule.js';

let server: TestPostgres;
let url: string;
const databases: Database[] = [];

beforeAll(async () => {
  server = await startTestPostgres();
  ({ url } = await server.createDatabase());
});
afterAll(async () => {
  await Promise.all(databases.map((database) => database.close()));
  await server.stop();
});

interface Worker {
  readonly schedule: UsageSchedule;
  readonly deferred: DeferredWork;
  /** What it wrote into its log. */
  readonly said: string[];
}

/** A worker process's schedule, on pools of its own. */
async function aWorker(): Promise<Worker> {
  const said: string[] = [];
  const logger = new SilentLogger();
  logger.info = (...[, text]: unknown[]) => void said.push(String(text));
  logger.error = (...[, text]: unknown[]) => void said.push(String(text));
  const database = await Database.open({
    settings: { url, poolMax: 4, dataDir: '', embedded: 'own' },
    logger,
  });
  databases.push(database);
  // Opening has migrated the schema.
  said.length = 0;
  // Partitions reach eight weeks ahead: two years on, there is work to do.
  const clock = new ManualClock(Date.now() + 2 * 365 * 86_400_000);
  const upkeep = new UsageUpkeep(database, configFromObjects(), clock, logger);
  const deferred = new DeferredWork(logger);
  return { schedule: new UsageSchedule(upkeep, deferred, logger), deferred, said };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('two workers whose clocks strike at once', () => {
  let one: Worker;
  let two: Worker;
  beforeAll(async () => {
    [one, two] = [await aWorker(), await aWorker()];
  });

  it('do a job once: one works, the other finds it locked and leaves it alone', async () => {
    const operator = databases[0]!.requests;
    let first: Promise<void> | undefined;
    await operator.transaction(async (db) => {
      // Holds the first worker up in the middle of its work.
      await db.query('LOCK TABLE token_usage IN ACCESS EXCLUSIVE MODE');
      first = one.schedule.partitions();
      await until(async () => {
        const { rows } = await databases[1]!.requests.query(
          `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted`,
        );
        return rows.length > 0;
      });
      await two.schedule.partitions();
      expect(two.said).toEqual([]);
    });
    await first;
    expect(one.said).toEqual(['usage partitions made']);
  });

  it('may do it again as soon as it is free', async () => {
    await two.schedule.retention();
    await one.schedule.retention();
    expect(two.said).toEqual(['usage retention applied']);
    expect(one.said).toEqual(['usage partitions made', 'usage retention applied']);
  });
});

describe('a schedule', () => {
  let calls: string[];
  let failing: boolean;
  const job = (name: string) => async () => {
    calls.push(name);
    if (failing) throw new Error('the database is away');
  };
  const upkeep = {
    partitions: job('partitions'),
    erasures: job('erasures'),
    retention: job('retention'),
    reconciliation: job('reconciliation'),
  } as unknown as UsageUpkeep;
  beforeEach(() => {
    calls = [];
    failing = false;
  });

  it('makes partitions at the start, hourly work each hour, and the heavy work at night', async () => {
    const deferred = new DeferredWork(new SilentLogger());
    const module = await Test.createTestingModule({
      imports: [ScheduleModule.forRoot()],
      providers: [
        UsageSchedule,
        { provide: UsageUpkeep, useValue: upkeep },
        { provide: DeferredWork, useValue: deferred },
        { provide: Logger, useValue: new SilentLogger() },
      ],
    }).compile();
    await module.init();
    await deferred.drain(1_000);
    expect(calls).toEqual(['partitions']);
    const jobs = [...module.get(SchedulerRegistry).getCronJobs().values()];
    const times = jobs.map(({ cronTime }) => [String(cronTime.source), cronTime.timeZone]);
    expect(times).toEqual([
      ['0 7 * * * *', 'UTC'],
      ['0 17 * * * *', 'UTC'],
      ['0 10 3 * * *', 'UTC'],
      ['0 40 3 * * *', 'UTC'],
    ]);
    for (const each of jobs) await each.fireOnTick();
    expect(calls.slice(1)).toEqual(['partitions', 'erasures', 'retention', 'reconciliation']);
    await module.close();
  });

  it('goes on after a job that failed', async () => {
    failing = true;
    const said: unknown[] = [];
    const logger = new SilentLogger();
    logger.error = (...[fields]: unknown[]) => void said.push((fields as { job: string }).job);
    const schedule = new UsageSchedule(upkeep, new DeferredWork(logger), logger);
    await schedule.reconciliation();
    expect(said).toEqual(['usage-reconciliation']);
  });
});
