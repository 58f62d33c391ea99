import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { SilentLogger } from '@sluice/observability';
import type { ConnectionTarget } from './connection.js';
import { MIGRATIONS } from './migrations/catalogue.js';
import { recordedName, type Migration } from './migrations/migration.js';
import { SchemaMigrator } from './schema.migrator.js';
import { startTestPostgres, type TestPostgres } from './testing/test-postgres.js';

const logger = new SilentLogger();
const repository = resolve(import.meta.dirname, '../../..');
let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
});
afterAll(() => postgres.stop());

async function ask(target: ConnectionTarget, sql: string): Promise<unknown[]> {
  const client = new pg.Client('url' in target ? { connectionString: target.url } : target);
  await client.connect();
  const { rows } = await client.query(sql);
  await client.end();
  return rows;
}

/** Tables, columns, indexes and constraints as text: two schemas are the same when these are. */
async function shape(target: ConnectionTarget): Promise<unknown[]> {
  return ask(
    target,
    `SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || coalesce(column_default, '') AS line
       FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT IN ('sluice_migrations', 'typeorm_metadata')
     UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT IN ('sluice_migrations', 'typeorm_metadata')
     ORDER BY 1`,
  );
}

const step = (number: number, more: Partial<Migration> = {}): Migration => ({
  number,
  name: `step-${number}`,
  owner: 'test',
  up: `CREATE TABLE step_${number} (n int)`,
  down: `DROP TABLE step_${number}`,
  ...more,
});

describe('SchemaMigrator', () => {
  it('applies the whole catalogue once, and finds nothing to do the second time', async () => {
    const { target } = await postgres.createDatabase();
    const migrator = new SchemaMigrator({ target, migrations: MIGRATIONS, logger });
    expect(await migrator.migrate()).toEqual(MIGRATIONS.map(recordedName));
    expect(await migrator.migrate()).toEqual([]);
    expect(await migrator.pending()).toEqual([]);
  });

  it('takes every migration back to nothing, newest first, and forward again to the same schema', async () => {
    const { target } = await postgres.createDatabase();
    const migrator = new SchemaMigrator({ target, migrations: MIGRATIONS, logger });
    const empty = await shape(target);
    await migrator.migrate();
    const whole = await shape(target);
    const reverted: (string | undefined)[] = [];
    for (const _ of MIGRATIONS) reverted.push(await migrator.revert());
    expect(reverted).toEqual(MIGRATIONS.map(recordedName).toReversed());
    expect(await shape(target)).toEqual(empty);
    expect(await migrator.revert()).toBeUndefined();
    await migrator.migrate();
    expect(await shape(target)).toEqual(whole);
  });

  it('has an index for every foreign key, and on events those that were measured and no others', async () => {
    const { target } = await postgres.createDatabase();
    await new SchemaMigrator({ target, migrations: MIGRATIONS, logger }).migrate();
    const unindexed = await ask(
      target,
      `SELECT conrelid::regclass::text AS "table", conname FROM pg_constraint c WHERE contype = 'f' AND NOT EXISTS (
         SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])`,
    );
    expect(unindexed).toEqual([]);
    const indexes = await ask(
      target,
      `SELECT indexname FROM pg_indexes WHERE tablename = 'token_usage' ORDER BY 1`,
    );
    expect(indexes).toEqual(
      ['token_usage_at', 'token_usage_caller', 'token_usage_pkey'].map((indexname) => ({
        indexname,
      })),
    );
  });

  it('is applied exactly once when three processes start at the same moment', async () => {
    const { url, target } = await postgres.createDatabase();
    const holder = join(repository, 'libs/database/testing/holder.ts');
    const hooks = join(repository, 'tools/typescript.mjs');
    const said = await Promise.all(
      [1, 2, 3].map(
        () =>
          new Promise<string>((done) => {
            const child = spawn(
              process.execPath,
              ['--import', hooks, holder, '/nowhere', 'own', url],
              {
                cwd: repository,
                stdio: ['ignore', 'pipe', 'inherit'],
              },
            );
            child.stdout.once('data', (line: Buffer) => {
              child.kill('SIGTERM');
              child.once('exit', () => done(line.toString()));
            });
          }),
      ),
    );
    expect(said.map((line) => JSON.parse(line).ready)).toEqual([true, true, true]);
    expect(await ask(target, 'SELECT name FROM sluice_migrations ORDER BY id')).toEqual(
      MIGRATIONS.map((migration) => ({ name: recordedName(migration) })),
    );
  });

  it('undoes a migration that fails halfway and keeps those before it', async () => {
    const { target } = await postgres.createDatabase();
    const broken = step(2, { up: 'CREATE TABLE half (n int); SELECT no_such_function()' });
    const migrator = new SchemaMigrator({ target, migrations: [step(1), broken], logger });
    await expect(migrator.migrate()).rejects.toThrow('no_such_function');
    expect(await ask(target, `SELECT to_regclass('half') AS half`)).toEqual([{ half: null }]);
    expect(await migrator.pending()).toEqual([recordedName(broken)]);
    const mended = new SchemaMigrator({ target, migrations: [step(1), step(2)], logger });
    expect(await mended.migrate()).toEqual([recordedName(step(2))]);
  });

  it('lets an older program run on a newer schema, and says so', async () => {
    const { target } = await postgres.createDatabase();
    await new SchemaMigrator({ target, migrations: [step(1), step(2)], logger }).migrate();
    const warnings: object[] = [];
    const listening = new SilentLogger();
    listening.warn = (...[fields]: unknown[]) => void warnings.push(fields as object);
    const older = new SchemaMigrator({ target, migrations: [step(1)], logger: listening });
    expect(await older.migrate()).toEqual([]);
    expect(warnings).toEqual([{ migrations: [recordedName(step(2))] }]);
  });
});

describe('the catalogue of migrations', () => {
  it('counts from 1 without gaps, and every name is written like its file', () => {
    expect(MIGRATIONS.map(({ number }) => number)).toEqual(MIGRATIONS.map((_, i) => i + 1));
    for (const { name } of MIGRATIONS) expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  });

  it('gives each table one owner', () => {
    const owners = new Map<string, string>();
    for (const { up, owner } of MIGRATIONS) {
      for (const [, table = ''] of up.matchAll(/CREATE TABLE (?:IF NOT EXISTS )?(\w+)/gi)) {
        expect({ table, owner: owners.get(table) ?? owner }).toEqual({ table, owner });
        owners.set(table, owner);
      }
    }
    expect(owners.get('api_keys')).toBe('auth');
  });
});
