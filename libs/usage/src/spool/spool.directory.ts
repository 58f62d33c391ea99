import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rmdir, stat, utimes } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { liveness, ownIdentity, type ProcessIdentity } from '@sluice/cluster';
import { uuidv7 } from '@sluice/kernel';

const LIVE_NAME = /^(\d+)-(\d+)-([0-9a-f]{8})-\d+$/;
const CLOSED_PREFIX = 'closed-';
const TAKEN_PREFIX = 'taken-';
export const SEGMENT_SUFFIX = '.seg';
export const NOTES_SUFFIX = '.open';
/** A process of another machine or container counts as dead when its directory was not touched for this long. */
const SILENCE_MS = 120_000;

/** Files that dead processes have left, under their new paths, oldest first. */
export interface Adopted {
  readonly segments: readonly string[];
  readonly notes: readonly string[];
}

let instances = 0;

/**
 * One process's directory below the spool's root, named after the process so that others can see whether it still
 * runs. A dead process's directory is taken over whole, by one rename: of two that try, one wins, and what is in the
 * segments is always shipped by the same process as the notes, before them.
 */
export class SpoolDirectory {
  private constructor(
    readonly root: string,
    readonly path: string,
    private readonly self: ProcessIdentity,
  ) {}

  static async claim(root: string): Promise<SpoolDirectory> {
    const self = await ownIdentity();
    instances += 1;
    const name = `${self.pid}-${self.start}-${realmHash(self.realm)}-${instances}`;
    const directory = new SpoolDirectory(root, join(root, name), self);
    await directory.ensure();
    return directory;
  }

  /** Creates the directory, durably. Also after another machine took it over during a long silence. */
  async ensure(): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await syncDirectory(this.root);
  }

  /** Shows others that this process runs. */
  async touch(): Promise<void> {
    const now = new Date();
    await utimes(this.path, now, now);
  }

  /** Makes created, renamed and removed segments survive a power cut. */
  sync(): Promise<void> {
    return syncDirectory(this.path);
  }

  /** Moves what dead processes have left here. */
  async adopt(): Promise<Adopted> {
    for (const name of await readdir(this.root)) {
      const path = join(this.root, name);
      if (path === this.path || !(await this.isDead(name, path))) continue;
      // Another process may be faster: then it is theirs.
      await rename(path, join(this.path, `${TAKEN_PREFIX}${uuidv7()}`)).catch(() => undefined);
    }
    const segments: string[] = [];
    const notes: string[] = [];
    for (const path of await this.unpack()) {
      (path.endsWith(NOTES_SUFFIX) ? notes : segments).push(path);
    }
    if (segments.length + notes.length > 0) await this.sync();
    return { segments, notes };
  }

  /** Gives the directory up. What is left in it waits for whoever comes next. */
  async release(): Promise<void> {
    try {
      await rmdir(this.path);
    } catch {
      await rename(this.path, join(this.root, `${CLOSED_PREFIX}${uuidv7()}`)).catch(
        () => undefined,
      );
    }
  }

  private async isDead(name: string, path: string): Promise<boolean> {
    if (name.startsWith(CLOSED_PREFIX)) return true;
    const [, pid, start, realm] = LIVE_NAME.exec(name) ?? [];
    if (pid === undefined || start === undefined) return false;
    const sameRealm = this.self.realm !== '' && realm === realmHash(this.self.realm);
    const owner = { pid: Number(pid), start, realm: sameRealm ? this.self.realm : '' };
    const verdict = await liveness(owner, this.self);
    if (verdict !== 'unknown') return verdict === 'dead';
    const touched = await stat(path).catch(() => undefined);
    return touched !== undefined && Date.now() - touched.mtimeMs > SILENCE_MS;
  }

  /** Moves the files of taken directories up into this one, those too that a killed process had taken before. */
  private async unpack(): Promise<string[]> {
    const entries = await readdir(this.path, { withFileTypes: true }).catch(() => []);
    const unpacked: string[] = [];
    for (const entry of entries.filter(({ name }) => name.startsWith(TAKEN_PREFIX))) {
      const taken = join(this.path, entry.name);
      const inside = await readdir(taken, { recursive: true, withFileTypes: true });
      const files = inside.filter((each) => each.isFile() && isSpoolFile(each.name));
      const id = uuidv7();
      for (const [n, { name, parentPath }] of files.sort(byName).entries()) {
        const target = join(
          this.path,
          `adopted-${id}-${String(n).padStart(6, '0')}${extname(name)}`,
        );
        await rename(join(parentPath, name), target);
        unpacked.push(target);
      }
      const folders = inside.filter((each) => each.isDirectory());
      const paths = folders.map(({ name, parentPath }) => join(parentPath, name));
      // The deepest first; one that is not empty stays for the next try.
      for (const path of [...paths.sort().reverse(), taken])
        await rmdir(path).catch(() => undefined);
    }
    return unpacked;
  }
}

function isSpoolFile(name: string): boolean {
  return name.endsWith(SEGMENT_SUFFIX) || name.endsWith(NOTES_SUFFIX);
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function realmHash(realm: string): string {
  return createHash('sha256').update(realm).digest('hex').slice(0, 8);
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
