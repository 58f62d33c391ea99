import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { SilentLogger } from '@sluice/observability';
import { placeEmptyCluster } from '../testing/test-postgres.js';
import { EmbeddedPostgres, type EmbeddedAddress } from './embedded-postgres.js';
import { serverUser } from './server-user.js';
import { isAlive, waitForExit } from './live-process.js';

const logger = new SilentLogger();
const isRoot = process.getuid?.() === 0;
const root = resolve(import.meta.dirname, '../../../..');

let dir: string;
const running: ChildProcess[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-embedded-'));
});
afterEach(async () => {
  for (const child of running.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  // The server of a killed holder writes its files until its watchdog has stopped it.
  const pid = await serverPid().catch(() => 0);
  if (pid > 0) await waitForExit(pid, 15_000);
  await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

const start = (dataDir = dir) => EmbeddedPostgres.start({ dataDir, logger, durability: 'fast' });

async function ask<Row extends pg.QueryResultRow>(
  address: EmbeddedAddress,
  sql: string,
): Promise<Row[]> {
  const client = new pg.Client(address);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

interface Holder {
  readonly child: ChildProcess;
  readonly said: {
    ready: boolean;
    before?: number;
    host?: string;
    message?: string;
  };
}

/** Another Sluice process on the same data directory. */
async function hold(mode = 'own'): Promise<Holder> {
  const script = join(root, 'libs/database/testing/holder.ts');
  const child = spawn(
    process.execPath,
    ['--import', join(root, 'tools/typescript.mjs'), script, dir, mode],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  running.push(child);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { child, said: JSON.parse(line) };
}

async function serverPid(): Promise<number> {
  const text = await readFile(join(dir, 'postgres/postmaster.pid'), 'utf8');
  return Number.parseInt(text, 10);
}

describe('EmbeddedPostgres', () => {
  it('starts, keeps data over a clean stop, and leaves neither process, socket nor claim behind', async () => {
    const first = await start();
    await ask(first.address, 'CREATE TABLE kept AS SELECT 7 AS n');
    const pid = first.pid!;
    await first.stop();
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(first.address.host)).toBe(false);
    expect(existsSync(join(dir, 'postgres.owner'))).toBe(false);
    const second = await start();
    expect(await ask(second.address, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    // The watchdog of a killed gateway may remove the first one's while the second starts.
    expect(second.address.host).not.toBe(first.address.host);
    await second.stop();
    await second.stop();
  });

  it('listens on a Unix socket alone, in a directory that is closed to others', async () => {
    await placeEmptyCluster(dir);
    const server = await start();
    const settings = await ask<{ name: string; setting: string }>(
      server.address,
      `SELECT name, setting FROM pg_settings WHERE name IN ('listen_addresses', 'unix_socket_directories') ORDER BY name`,
    );
    expect(settings).toEqual([
      { name: 'listen_addresses', setting: '' },
      { name: 'unix_socket_directories', setting: server.address.host },
    ]);
    expect((await stat(server.address.host)).mode & 0o777).toBe(0o700);
    expect(join(server.address.host, '.s.PGSQL.5432').length).toBeLessThan(104);
    await server.stop();
  });

  it('works where only root may enter the directories above', async () => {
    const closed = join(dir, 'closed');
    await mkdir(closed, { mode: 0o700 });
    const data = join(closed, 'deep', 'data');
    const server = await start(data);
    expect(await ask(server.address, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    if (isRoot) expect((await stat(join(data, 'postgres'))).uid).toBe(65534);
    await server.stop();
    const again = await start(data);
    await again.stop();
  });

  it('runs as the owner of the cluster when root starts it', async () => {
    await placeEmptyCluster(dir);
    if (!isRoot) return;
    const server = await start();
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\s+65534\s+65534/m);
    expect(status).toMatch(/^Gid:\s+65534\s+65534/m);
    const environment = await readFile(`/proc/${server.pid}/environ`, 'utf8');
    expect(environment).not.toContain('HOME=');
    await server.stop();
  });

  it('refuses a cluster of another major version and says what to do', async () => {
    const cluster = join(dir, 'postgres');
    await mkdir(cluster);
    await writeFile(join(cluster, 'PG_VERSION'), '15\n');
    await expect(start()).rejects.toThrow(
      /was written by PostgreSQL 15, but this Sluice brings PostgreSQL 18.*pg_dump.*DATABASE_URL/s,
    );
    // The refusal itself holds nothing.
    expect(existsSync(join(dir, 'postgres.owner'))).toBe(false);
  });

  it('starts anew when the first start was cut off in the middle', async () => {
    await mkdir(join(dir, 'postgres.new'));
    await writeFile(join(dir, 'postgres.new', 'half'), 'written');
    const server = await start();
    await server.stop();
    expect(existsSync(join(dir, 'postgres.new'))).toBe(false);
  });

  it('does not take another process with the recorded id for its server', async () => {
    await placeEmptyCluster(dir);
    const stranger = spawn('sleep', ['60'], isRoot ? { uid: 65534, gid: 65534 } : {});
    running.push(stranger);
    const stale = join(dir, 'postgres/postmaster.pid');
    await writeFile(stale, `${stranger.pid}\n${dir}\n0\n5432\n/tmp\n\n`);
    if (isRoot) await chown(stale, 65534, 65534);
    const server = await start();
    expect(stranger.exitCode).toBeNull();
    expect(await ask(server.address, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    await server.stop();
  });

  it('comes back by itself when the server is killed', async () => {
    await placeEmptyCluster(dir);
    const server = await start();
    await ask(server.address, 'CREATE TABLE kept AS SELECT 7 AS n');
    const killed = server.pid!;
    process.kill(killed, 'SIGKILL');
    const rows = await eventually(() => ask(server.address, 'SELECT n FROM kept'));
    expect(rows).toEqual([{ n: 7 }]);
    expect(server.pid).not.toBe(killed);
    await server.stop();
  });

  it('says who uses the directory when a live process does', async () => {
    await placeEmptyCluster(dir);
    const { child } = await hold();
    await expect(start()).rejects.toThrow(
      new RegExp(
        `data directory .* is in use by the Sluice process ${child.pid} on .*DATABASE_URL`,
      ),
    );
    const second = await hold();
    expect(second.said.message).toContain(`in use by the Sluice process ${child.pid}`);
    await stopGently(child);
  });

  it('takes over a claim whose process is gone, also when its id was given to another', async () => {
    await placeEmptyCluster(dir);
    const claim = {
      pid: process.pid,
      birth: 'long ago',
      host: hostname(),
    };
    await writeFile(join(dir, 'postgres.owner'), JSON.stringify(claim));
    const server = await start();
    await server.stop();
  });

  it('takes over a claim of another machine once it is no longer renewed', async () => {
    await placeEmptyCluster(dir);
    const claim = join(dir, 'postgres.owner');
    await writeFile(claim, JSON.stringify({ pid: 1, birth: '1', host: 'elsewhere' }));
    const old = new Date(Date.now() - 60_000);
    await utimes(claim, old, old);
    const server = await start();
    await server.stop();
  });

  it('lets a process beside the owner join its server, and refuses to join where there is none', async () => {
    await placeEmptyCluster(dir);
    const owner = await hold();
    const beside = await hold('join');
    expect(beside.said).toMatchObject({ ready: true, before: 1, host: owner.said.host });
    const command = await hold('join-or-own');
    expect(command.said).toMatchObject({ ready: true, before: 2, host: owner.said.host });
    await stopGently(beside.child);
    await stopGently(command.child);
    expect(isAlive(await serverPid())).toBe(true);
    await stopGently(owner.child);
    const alone = await hold('join');
    expect(alone.said.message).toContain('No process runs the embedded database');
  });

  it('survives SIGKILL of its process: the server ends, and the next start has all that was committed', async () => {
    await placeEmptyCluster(dir);
    for (const before of [0, 1, 2]) {
      const { child, said } = await hold();
      expect(said).toMatchObject({ ready: true, before });
      const pid = await serverPid();
      child.kill('SIGKILL');
      await once(child, 'exit');
      // The last round starts at once; the others look whether the orphan ends by itself.
      if (before < 2) expect(await waitForExit(pid, 10_000)).toBe(true);
    }
    const { child, said } = await hold();
    expect(said).toMatchObject({ ready: true, before: 3 });
    await stopGently(child);
    await eventually(async () => {
      if (existsSync(said.host!)) throw new Error('the socket directory is still there');
    });
  });

  it('ends a left-over server by its recorded id when nothing else did', async () => {
    await placeEmptyCluster(dir);
    const { child, said } = await hold();
    const pid = await serverPid();
    // Without its watchdog, as after a kill of the whole group.
    for (const other of await childrenOf(child.pid!))
      if (other !== pid) process.kill(other, 'SIGKILL');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isAlive(pid)).toBe(true);
    const next = await hold();
    expect(next.said).toMatchObject({ ready: true, before: 1 });
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(said.host!)).toBe(false);
    await stopGently(next.child);
  });

  it('tells another user that the cluster is not his', async () => {
    await placeEmptyCluster(dir);
    if (!isRoot) return;
    await (await start()).stop();
    await chmod(dir, 0o755);
    const real = process.getuid;
    process.getuid = () => 1000;
    try {
      await expect(serverUser(join(dir, 'postgres'))).rejects.toThrow(
        /belongs to user 65534, but this process is user 1000.*chown -R 1000/,
      );
    } finally {
      process.getuid = real!;
    }
  });
});

async function stopGently(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(/\s+/).filter(Boolean).map(Number);
}

async function eventually<T>(check: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((tick) => setTimeout(tick, 20));
    }
  }
}
