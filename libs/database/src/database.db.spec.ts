import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, connect, type AddressInfo, type Server } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configFromObjects } from '@sluice/config';
import { Metrics, SilentLogger } from '@sluice/observability';
import { Database } from './database.js';
import { databaseSettings, type DatabaseSettings } from './database.settings.js';
import { EmbeddedPostgres } from './embedded/embedded-postgres.js';
import { withMigrator } from './schema.migrator.js';
import {
  placeEmptyCluster,
  startTestPostgres,
  type TestPostgres,
} from './testing/test-postgres.js';

const logger = new SilentLogger();
let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
});
afterAll(() => postgres.stop());

async function settings(more: Partial<DatabaseSettings> = {}): Promise<DatabaseSettings> {
  const { url } = await postgres.createDatabase();
  return { url, poolMax: 3, dataDir: '/nowhere', embedded: 'own', ...more };
}

describe('Database', () => {
  it('migrates an empty database and answers queries from each pool', async () => {
    const database = await Database.open({ settings: await settings(), logger });
    for (const pool of [database.requests, database.writer, database.reports]) {
      const { rows } = await pool.query<{ n: number }>('SELECT count(*)::int AS n FROM api_keys');
      expect(rows).toEqual([{ n: 0 }]);
    }
    await database.close();
  });

  it('gives each pool its own limits, and none of them needs a session SET', async () => {
    const database = await Database.open({ settings: await settings(), logger });
    const limits = await Promise.all(
      [database.requests, database.writer, database.reports].map(async (pool) => {
        const { rows } = await pool.query<{ statement: string; lock: string; name: string }>(
          `SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
                  current_setting('application_name') AS name`,
        );
        return rows[0];
      }),
    );
    expect(limits).toEqual([
      { statement: '5s', lock: '2s', name: 'sluice-requests' },
      { statement: '15s', lock: '5s', name: 'sluice-writer' },
      { statement: '1min', lock: '5s', name: 'sluice-reports' },
    ]);
    await database.close();
  });

  it('keeps a transaction whole: all of it, or nothing when it throws', async () => {
    const database = await Database.open({ settings: await settings(), logger });
    await database.requests.query('CREATE TABLE t (n int)');
    await database.requests.transaction(async (tx) => {
      await tx.query('INSERT INTO t VALUES ($1)', [1]);
      await tx.query('INSERT INTO t VALUES ($1)', [2]);
    });
    const failure = database.requests.transaction(async (tx) => {
      await tx.query('INSERT INTO t VALUES ($1)', [3]);
      throw new Error('changed my mind');
    });
    await expect(failure).rejects.toThrow('changed my mind');
    const { rows } = await database.requests.query('SELECT n FROM t ORDER BY n');
    expect(rows).toEqual([{ n: 1 }, { n: 2 }]);
    await database.close();
  });

  it('never opens more connections than the pool may have, and counts who waits', async () => {
    const metrics = new Metrics();
    const database = await Database.open({ settings: await settings(), logger, metrics });
    const work = Array.from({ length: 8 }, () => database.requests.query('SELECT pg_sleep(0.2)'));
    await database.writer.query('SELECT 1');
    expect(database.requests.state).toMatchObject({ max: 3, total: 3, idle: 0, waiting: 5 });
    const text = await metrics.registry.metrics();
    expect(text).toContain('sluice_database_connections{pool="requests",state="used"} 3');
    expect(text).toContain('sluice_database_waiting{pool="requests"} 5');
    await Promise.all(work);
    await database.close();
  });

  it('says what is wrong in health, and never throws there', async () => {
    const database = await Database.open({ settings: await settings(), logger });
    expect(await database.health()).toMatchObject({ ok: true, embedded: false });
    await database.close();
    const closed = await database.health();
    expect(closed.ok).toBe(false);
    expect(closed.error).toMatch(/pool/);
  });

  it('reads reports from the replica when there is one, with pool and DataSource', async () => {
    const replica = await postgres.createDatabase();
    const database = await Database.open({
      settings: await settings({ replicaUrl: replica.url }),
      logger,
    });
    const sql = 'SELECT current_database() AS name';
    expect((await database.reports.query(sql)).rows).toEqual([{ name: replica.name }]);
    const source = await database.dataSource('reports');
    expect(await source.query(sql)).toEqual([{ name: replica.name }]);
    const main = await database.dataSource();
    expect(await main.query(sql)).not.toEqual([{ name: replica.name }]);
    expect(await database.dataSource()).toBe(main);
    await database.close();
  });

  it('waits for a server that is still starting', async () => {
    const { url, target } = await postgres.createDatabase();
    const socket = 'host' in target ? join(target.host, '.s.PGSQL.5432') : '';
    const place = new URL(url.replace('@/', '@localhost/'));
    const held = createServer();
    await new Promise<void>((resolve) => held.listen(0, '127.0.0.1', resolve));
    const { port } = held.address() as AddressInfo;
    await new Promise((resolve) => held.close(resolve));
    const opening = Database.open({
      settings: await settings({ url: `postgresql://sluice@127.0.0.1:${port}${place.pathname}` }),
      logger,
    });
    const proxy = await listen(port, socket);
    const database = await opening;
    expect((await database.health()).ok).toBe(true);
    await database.close();
    proxy.close();
  });

  it('works behind a pooler that refuses start-up parameters', async () => {
    const { url, target } = await postgres.createDatabase();
    const socket = 'host' in target ? join(target.host, '.s.PGSQL.5432') : '';
    const place = new URL(url.replace('@/', '@localhost/'));
    const pooler = await listen(0, socket, ['statement_timeout', 'lock_timeout', 'options']);
    const { port } = pooler.address() as AddressInfo;
    const database = await Database.open({
      settings: await settings({ url: `postgresql://sluice@127.0.0.1:${port}${place.pathname}` }),
      logger,
    });
    expect((await database.health()).ok).toBe(true);
    await database.close();
    pooler.close();
  });

  it('runs the embedded server when there is no URL, and stops it on shutdown', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'sluice-database-'));
    await placeEmptyCluster(dataDir);
    const options = { settings: { dataDir, poolMax: 2, embedded: 'own' as const }, logger };
    const database = await Database.open(options);
    expect(await database.health()).toMatchObject({ ok: true, embedded: true });
    expect(database.target).toEqual(await EmbeddedPostgres.find(dataDir));
    const beside = { settings: { ...options.settings, embedded: 'join-or-own' as const }, logger };
    expect(await withMigrator(beside, (migrator) => migrator.pending())).toEqual([]);
    await database.onApplicationShutdown();
    expect(await EmbeddedPostgres.find(dataDir)).toBeUndefined();
    // Alone, the command starts the server for itself and stops it again.
    expect(await withMigrator(beside, (migrator) => migrator.pending())).toEqual([]);
    expect(await EmbeddedPostgres.find(dataDir)).toBeUndefined();
    const beyond = { settings: { ...options.settings, embedded: 'join' as const }, logger };
    await expect(Database.open(beyond)).rejects.toThrow('No process runs the embedded database');
    await rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });

  it('takes its settings from the environment', () => {
    const { env } = configFromObjects({ env: { SLUICE_DATA_DIR: '/d', DATABASE_POOL_MAX: '7' } });
    expect(databaseSettings(env)).toEqual({ dataDir: '/d', poolMax: 7, embedded: 'own' });
    const urls = { ...env, DATABASE_URL: 'postgresql://a', DATABASE_REPLICA_URL: 'postgresql://b' };
    expect(databaseSettings(urls, 'join')).toEqual({
      dataDir: '/d',
      poolMax: 7,
      embedded: 'join',
      url: 'postgresql://a',
      replicaUrl: 'postgresql://b',
    });
  });

  it('refuses at once what waiting cannot mend', async () => {
    const opening = Database.open({
      settings: await settings({
        url: (await postgres.createDatabase()).url.replace(/\/t[0-9a-f]+\?/, '/absent?'),
      }),
      logger,
    });
    await expect(opening).rejects.toThrow('database "absent" does not exist');
  });
});

/** A TCP door to the server's socket that answers like PgBouncer to start-up parameters it does not take. */
async function listen(port: number, socket: string, refused: string[] = []): Promise<Server> {
  const server = createServer((client) => {
    client.once('data', (hello) => {
      const names = hello.toString('latin1').split('\0');
      const bad = refused.find((name) => names.includes(name));
      if (bad !== undefined) {
        const fields = `SFATAL\0C08P01\0Munsupported startup parameter: ${bad}\0\0`;
        const head = Buffer.alloc(5);
        head.write('E');
        head.writeUInt32BE(fields.length + 4, 1);
        client.end(Buffer.concat([head, Buffer.from(fields)]));
        return;
      }
      const upstream = connect(socket);
      upstream.write(hello);
      client.pipe(upstream).pipe(client);
      client.on('error', () => upstream.destroy());
      upstream.on('error', () => client.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}
