import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgresError } from './embedded.error.js';
import { birthMark } from './live-process.js';

const BEAT_MS = 5_000;
/** A claim of another machine or container counts as left behind when it was not renewed for this long. */
const STALE_MS = 3 * BEAT_MS;

interface Claimant {
  readonly pid: number;
  readonly birth: string;
  readonly host: string;
}

/**
 * Says that one process runs the database of a data directory. Two Postgres servers over one
 * directory would destroy it, and across containers Postgres's own lock file does not see the other.
 */
export class DirectoryClaim {
  readonly #file: string;
  readonly #beat: NodeJS.Timeout;

  private constructor(file: string) {
    this.#file = file;
    this.#beat = setInterval(() => {
      const now = new Date();
      void utimes(file, now, now).catch(() => undefined);
    }, BEAT_MS);
    this.#beat.unref();
  }

  /** @throws EmbeddedPostgresError naming the process that holds the directory. */
  static async take(dataDir: string): Promise<DirectoryClaim> {
    await mkdir(dataDir, { recursive: true });
    const file = join(dataDir, 'postgres.owner');
    const own: Claimant = {
      pid: process.pid,
      birth: await birthMark(process.pid),
      host: hostname(),
    };
    for (let round = 0; round < 3; round++) {
      if (await create(file, JSON.stringify(own))) return new DirectoryClaim(file);
      const found = await readFile(file, 'utf8').catch(() => '');
      const holder = await liveHolder(file, found);
      if (holder !== undefined) throw inUse(dataDir, holder);
      await bury(file, found);
    }
    throw inUse(dataDir, undefined);
  }

  async release(): Promise<void> {
    clearInterval(this.#beat);
    await rm(this.#file, { force: true });
  }
}

/** Appears with its whole content or not at all, and never over another claim. */
async function create(file: string, content: string): Promise<boolean> {
  const draft = `${file}.${process.pid}.new`;
  await writeFile(draft, content, { mode: 0o600 });
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function liveHolder(file: string, text: string): Promise<Claimant | undefined> {
  const holder = parse(text);
  if (holder === undefined) return undefined;
  if (holder.host === hostname()) {
    const birth = await birthMark(holder.pid);
    return birth !== '' && birth === holder.birth ? holder : undefined;
  }
  const before = await age(file);
  if (before >= STALE_MS) return undefined;
  await new Promise((resolve) => setTimeout(resolve, STALE_MS - before));
  return (await age(file)) >= STALE_MS ? undefined : holder;
}

function parse(text: string): Claimant | undefined {
  try {
    const value = JSON.parse(text) as Partial<Claimant>;
    const { pid, birth, host } = value;
    if (pid === undefined || birth === undefined || host === undefined) return undefined;
    return { pid, birth, host };
  } catch {
    // Not ours to understand, and no live claim looks like this.
    return undefined;
  }
}

async function age(file: string): Promise<number> {
  const entry = await stat(file).catch(() => undefined);
  return entry === undefined ? Infinity : Date.now() - entry.mtimeMs;
}

/** Moves a dead claim away. Two starters may see the same dead claim: only what was judged is buried. */
async function bury(file: string, judged: string): Promise<void> {
  const grave = `${file}.${process.pid}`;
  try {
    await rename(file, grave);
  } catch {
    return;
  }
  const moved = await readFile(grave, 'utf8');
  if (moved !== judged) await rename(grave, file);
  else await rm(grave, { force: true });
}

function inUse(dataDir: string, holder: Claimant | undefined): EmbeddedPostgresError {
  const who =
    holder === undefined
      ? 'another Sluice process that is starting'
      : `the Sluice process ${holder.pid} on ${holder.host}`;
  return new EmbeddedPostgresError(
    `The data directory ${dataDir} is in use by ${who}. ` +
      'Stop it, choose another SLUICE_DATA_DIR, or let both use one server with DATABASE_URL.',
  );
}
