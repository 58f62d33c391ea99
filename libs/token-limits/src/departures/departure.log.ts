import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { liveness, ownIdentity, type ProcessIdentity } from '@sluice/cluster';
import { GatewayError } from '@sluice/kernel';
import { lifeAt, showLife } from './life.sign.js';

/** One reservation's place in the file: a state, then the id. Never across two pages of memory. */
const PLACE_BYTES = 64;
const RESERVED = 'r'.charCodeAt(0);
const LEFT = Buffer.from('l');
const NAME = /^(\d+)-(\d+)-([\w-]{16})-([\w-]{16})-\d+\.departures$/;
const LIFE = '.sock';
/** The leases of a process that cannot be judged from here have long run out by then. */
const STALE_MS = 86_400_000;

/** What a dead process has left behind. */
export interface DeadDepartures {
  readonly path: string;
  /** Reservations it made for requests that never left it. */
  readonly unsent: readonly string[];
}

/** A reservation's place in the file, until the ledger knows how it ended. */
export class Departure {
  over = false;

  constructor(readonly place: number) {}
}

let instances = 0;

/**
 * Which reservations of this process stand for a request that has gone upstream. When the process is killed, the next one
 * with the same data directory gives back what was reserved for the others: nothing can have been spent on them.
 *
 * Places in one small file that are written over and over. Nothing is synced: a killed process's writes survive in the
 * kernel, and after a crash of the machine, when they may not, the file is not believed. A write is synchronous, a
 * few microseconds into the page cache, because it must precede the request's first byte.
 */
export class DepartureLog {
  readonly #free: number[] = [];
  #next = 0;
  #fd: number | undefined;
  #path: string | undefined;
  #self: ProcessIdentity | undefined;
  #life: Server | undefined;

  constructor(private readonly root: string) {}

  /** Reservations are written down from here on. Nothing happens where processes cannot be told apart. */
  async open(): Promise<void> {
    const self = await ownIdentity();
    if (self.realm === '') return;
    await mkdir(this.root, { recursive: true });
    instances += 1;
    const { boot, realm } = placesOf(self);
    const name = `${self.pid}-${self.start}-${realm}-${boot}-${instances}.departures`;
    this.#path = join(this.root, name);
    this.#life = await showLife(this.#path + LIFE);
    this.#fd = openSync(this.#path, 'w');
    this.#self = self;
  }

  /**
   * To be called before a ledger is asked.
   * @returns undefined when it could not be written down: then it counts as sent
   */
  reserved(id: string): Departure | undefined {
    if (this.#fd === undefined) return undefined;
    const departure = new Departure(this.#free.pop() ?? this.#next++);
    const bytes = Buffer.alloc(PLACE_BYTES);
    bytes[0] = RESERVED;
    try {
      if (bytes.write(id, 1) < Buffer.byteLength(id)) throw new RangeError('too long an id');
      this.#write(bytes, departure.place);
      return departure;
    } catch {
      this.over(departure);
      return undefined;
    }
  }

  /**
   * The request leaves now.
   * @throws GatewayError overloaded when that cannot be written down; client_closed for a reservation that has ended
   */
  left(departure: Departure): void {
    if (departure.over) throw new GatewayError('client_closed', 'The call has ended.');
    try {
      this.#write(LEFT, departure.place);
    } catch (cause) {
      throw new GatewayError('overloaded', 'What is spent cannot be recorded at the moment.', {
        cause,
        retryAfterMs: 1000,
      });
    }
  }

  /** The ledger knows how the reservation ended, or never heard of it: its place may be used again. */
  over(departure: Departure): void {
    if (departure.over) return;
    departure.over = true;
    this.#free.push(departure.place);
  }

  /** What dead processes have left. */
  async dead(): Promise<readonly DeadDepartures[]> {
    const self = this.#self;
    if (self === undefined) return [];
    const found: DeadDepartures[] = [];
    for (const name of await readdir(this.root)) {
      const path = join(this.root, name);
      if (path === this.#path || !NAME.test(name)) continue;
      const verdict = await this.#verdict(path, name, self);
      if (verdict === 'unknown') await removeStale(path);
      if (verdict !== 'dead') continue;
      found.push({ path, unsent: unsentIn(await readFile(path)) });
    }
    return found;
  }

  /** All of it is settled. */
  async forget({ path }: DeadDepartures): Promise<void> {
    await remove(path);
  }

  /** No reservation is made any more. What is still open waits for the next process. */
  async close(): Promise<void> {
    if (this.#fd === undefined || this.#path === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    this.#life?.close();
    if (this.#free.length === this.#next) await remove(this.#path);
  }

  /** By its number where that means anything, by its sign of life elsewhere on this machine. */
  async #verdict(
    path: string,
    name: string,
    self: ProcessIdentity,
  ): Promise<'alive' | 'dead' | 'unknown'> {
    const [, pid, start = '', realm, boot] = NAME.exec(name) ?? [];
    const own = placesOf(self);
    if (boot !== own.boot) return 'unknown';
    if (realm === own.realm) return liveness({ pid: Number(pid), start, realm: self.realm }, self);
    return lifeAt(path + LIFE);
  }

  #write(bytes: Buffer, place: number): void {
    if (this.#fd === undefined) throw new Error('the departures are closed');
    const written = writeSync(this.#fd, bytes, 0, bytes.length, place * PLACE_BYTES);
    if (written < bytes.length) throw new Error('the disk is full');
  }
}

function unsentIn(file: Buffer): readonly string[] {
  const ids: string[] = [];
  for (let at = 0; at + PLACE_BYTES <= file.length; at += PLACE_BYTES) {
    if (file[at] !== RESERVED) continue;
    const id = file.toString('utf8', at + 1, at + PLACE_BYTES);
    ids.push(id.slice(0, id.indexOf('\0') >>> 0));
  }
  return ids;
}

async function removeStale(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && Date.now() - found.mtimeMs > STALE_MS) await remove(path);
}

async function remove(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(path + LIFE, { force: true });
}

/** Short names of one boot of the machine, and of one pid namespace in it. */
function placesOf({ realm }: ProcessIdentity): { readonly boot: string; readonly realm: string } {
  const short = (text: string) =>
    createHash('sha256').update(text).digest('base64url').slice(0, 16);
  return { boot: short(realm.split(' ', 1)[0] ?? ''), realm: short(realm) };
}
