import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rmdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { uuidv7 } from '@sluice/kernel';
import { liveness, ownIdentity, type ProcessIdentity } from './process.identity.js';

const LIVE_NAME = /^(\d+)-(\d+)-([0-9a-f]{8})-\d+$/;
const CLOSED_PREFIX = 'closed-';
export const SEGMENT_SUFFIX = '.seg';
/** A process of another machine or container counts as dead when its directory was not touched for this long. */
const SILENCE_MS = 120_000;

let instances = 0;

/**
 * One process's directory below the spool's root, named after the process so that others can see
 * whether it still runs. Segments of dead processes are taken over one rename each: of two that try, one wins.
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

  /** Moves the segments of dead processes here. @returns their new paths, oldest first. */
  async adopt(): Promise<string[]> {
    const adopted: string[] = [];
    for (const name of await readdir(this.root)) {
      const path = join(this.root, name);
      if (path === this.path || !(await this.isDead(name, path))) continue;
      adopted.push(...(await this.take(path)));
    }
    if (adopted.length > 0) await this.sync();
    return adopted;
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

  private async take(path: string): Promise<string[]> {
    const taken: string[] = [];
    // Another process may be taking the same directory: whatever is gone already is theirs.
    const names = await readdir(path).catch(() => []);
    for (const name of names.filter((entry) => entry.endsWith(SEGMENT_SUFFIX)).sort()) {
      const target = join(this.path, `adopted-${uuidv7()}${SEGMENT_SUFFIX}`);
      const won = await rename(join(path, name), target).then(
        () => true,
        () => false,
      );
      if (won) taken.push(target);
    }
    await rmdir(path).catch(() => undefined);
    return taken;
  }
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
