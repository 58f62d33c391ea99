import { randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { SilentLogger } from '@sluice/observability';
import type { ConnectionTarget } from '../connection.js';
import { EmbeddedPostgres } from '../embedded/embedded-postgres.js';

/** A fresh, empty database. `url` goes wherever DATABASE_URL does. */
export interface TestDatabase {
  readonly url: string;
  readonly target: ConnectionTarget;
  readonly name: string;
}

export interface TestPostgres {
  readonly pid: number;
  createDatabase(): Promise<TestDatabase>;
  /** Ends the server and removes its files. */
  stop(): Promise<void>;
}

/**
 * A real server for one test file, on a Unix socket, ready in about 150 ms: the cluster is copied from a template that the
 * first test on this machine makes. It ends with `stop()`, and with the test process at the latest.
 */
export async function startTestPostgres(): Promise<TestPostgres> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-test-'));
  await placeEmptyCluster(root);
  const server = await startFast(root);
  const { host, port, user } = server.address;
  return {
    pid: server.pid ?? 0,
    createDatabase: async () => {
      const name = `t${randomBytes(6).toString('hex')}`;
      const client = new pg.Client(server.address);
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      const url = `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}&port=${port}`;
      return { url, name, target: { host, port, user, database: name } };
    },
    stop: async () => {
      await server.stop();
      await rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

/** Gives a data directory an empty cluster, as a first start would, without the second that it takes. */
export async function placeEmptyCluster(dataDir: string): Promise<void> {
  // cp keeps the files' owner, which is not this process when it is root.
  await promisify(execFile)('cp', ['-a', await template(), join(dataDir, 'postgres')]);
}

/** A stopped, empty cluster, shared by all test runs of this user. */
async function template(): Promise<string> {
  const place = join(tmpdir(), `sluice-test-template-18-${process.getuid?.() ?? 0}`);
  const cluster = join(place, 'postgres');
  const ready = await stat(cluster).then(
    () => true,
    () => false,
  );
  if (ready) return cluster;
  const draft = await mkdtemp(`${place}-`);
  await (await startFast(draft)).stop();
  // Test files start side by side: the first to finish gives the template, the others' drafts go away.
  await rename(draft, place).catch(() => rm(draft, { recursive: true, force: true }));
  return cluster;
}

function startFast(dataDir: string): Promise<EmbeddedPostgres> {
  return EmbeddedPostgres.start({ dataDir, logger: new SilentLogger(), durability: 'fast' });
}
