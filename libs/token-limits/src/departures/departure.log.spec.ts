import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DepartureLog, type Departure } from './departure.log.js';
import { showLife } from './life.sign.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-departures-'));
});
afterEach(() => rm(root, { recursive: true }));

async function open(): Promise<DepartureLog> {
  const log = new DepartureLog(root);
  await log.open();
  return log;
}
/** Another process finds the file of one that is gone: the same number, another start. */
async function kill(): Promise<string> {
  const [name = ''] = await files();
  const dead = name.replace(/^(\d+)-\d+-/, '$1-1-');
  await rename(join(root, name), join(root, dead));
  await rm(join(root, `${name}.sock`));
  return join(root, dead);
}
/** But for the signs of life. */
async function files(): Promise<readonly string[]> {
  return (await readdir(root)).filter((name) => !name.endsWith('.sock'));
}
const place = (log: DepartureLog, id: string): Departure => {
  const found = log.reserved(id);
  if (found === undefined) throw new Error(`${id} has no place`);
  return found;
};

describe('departures', () => {
  it('tell what a dead process had reserved for requests that never left it', async () => {
    const log = await open();
    place(log, 'waiting');
    log.left(place(log, 'sent'));
    place(log, 'x'.repeat(63));
    const path = await kill();
    const heir = await open();
    const dead = await heir.dead();
    expect(dead).toEqual([{ path, unsent: ['waiting', 'x'.repeat(63)] }]);
    await heir.forget(dead[0]!);
    expect(await heir.dead()).toEqual([]);
  });

  it('use a place again only when the ledger knows how its reservation ended', async () => {
    const log = await open();
    const first = place(log, 'first');
    log.left(first);
    expect(place(log, 'second').place).not.toBe(first.place);
    log.over(first);
    expect(place(log, 'third').place).toBe(first.place);
    // Told twice, it frees nobody else's place.
    log.over(first);
    expect(place(log, 'fourth').place).not.toBe(first.place);
    expect(() => log.left(first)).toThrow('has ended');
    const path = await kill();
    // The third waits where the first had left.
    expect(await (await open()).dead()).toEqual([{ path, unsent: ['third', 'second', 'fourth'] }]);
  });

  it('stay small, however many calls there are', async () => {
    const log = await open();
    for (let i = 0; i < 5000; i++) log.over(place(log, `call ${i}`));
    const [name = ''] = await files();
    expect((await stat(join(root, name))).size).toBe(64);
  });

  it('are left alone while their process lives', async () => {
    const log = await open();
    place(log, 'waiting');
    expect(await (await open()).dead()).toEqual([]);
  });

  it('of another boot are not believed, and removed after a day', async () => {
    const log = await open();
    place(log, 'waiting');
    const dead = await kill();
    const elsewhere = dead.replace(
      /-[\w-]{16}-(\d+)\.departures$/,
      `-${'A'.repeat(16)}-$1.departures`,
    );
    await rename(dead, elsewhere);
    await writeFile(join(root, 'notes.txt'), 'somebody else’s');
    const heir = await open();
    expect(await heir.dead()).toEqual([]);
    expect(await files()).toHaveLength(3);
    const old = new Date(Date.now() - 2 * 86_400_000);
    await utimes(elsewhere, old, old);
    await heir.dead();
    expect(await files()).toHaveLength(2);
  });

  it('of another container on this machine are believed when the kernel says that their process has died', async () => {
    const log = await open();
    place(log, 'waiting');
    const here = await kill();
    const there = here.replace(/-[\w-]{16}(-[\w-]{16}-\d+\.departures)$/, `-${'B'.repeat(16)}$1`);
    await rename(here, there);
    const heir = await open();
    // Nothing to go by.
    expect(await heir.dead()).toEqual([]);
    const living = await showLife(`${there}.sock`);
    expect(await heir.dead()).toEqual([]);
    await new Promise((done) => living?.close(done));
    const dying = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', dying, `${there}.sock`]);
    const [found] = await heir.dead();
    expect(found).toEqual({ path: there, unsent: ['waiting'] });
    await heir.forget(found!);
    expect(await readdir(root)).toHaveLength(2);
  });

  it('are removed by an orderly end, unless a ledger still has to hear of something', async () => {
    const [done, open1] = [await open(), await open()];
    done.over(place(done, 'done'));
    place(open1, 'unsettled');
    await done.close();
    await open1.close();
    const left = await files();
    expect(left).toHaveLength(1);
    expect(await readFile(join(root, left[0]!), 'utf8')).toContain('unsettled');
  });

  it('do without what cannot be written down: it counts as sent', async () => {
    const log = await open();
    expect(log.reserved('x'.repeat(64))).toBeUndefined();
    const one = place(log, 'one');
    await log.close();
    expect(log.reserved('late')).toBeUndefined();
    expect(() => log.left(one)).toThrow('cannot be recorded');
    expect(new DepartureLog(root).reserved('never opened')).toBeUndefined();
    expect(await new DepartureLog(root).dead()).toEqual([]);
  });
});
