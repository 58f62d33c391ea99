import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { LRUCache } from 'lru-cache';

type Resolve = (
  hostname: string,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface DnsCacheOptions {
  /** How long an answer is used. */
  readonly ttlMs?: number;
  /** How long an old answer may still be used when the resolver fails. */
  readonly staleMs?: number;
  readonly resolve?: Resolve;
  readonly now?: () => number;
}

interface Entry {
  readonly addresses: LookupAddress[];
  readonly at: number;
}
type Waiter = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

/** Addresses by host name: getaddrinfo blocks one of libuv's four threads, and new connections come in bursts. */
export class DnsCache {
  readonly #entries = new LRUCache<string, Entry>({ max: 1000 });
  readonly #asking = new Map<string, Waiter[]>();
  readonly #ttlMs: number;
  readonly #staleMs: number;
  readonly #resolve: Resolve;
  readonly #now: () => number;

  constructor(options: DnsCacheOptions = {}) {
    this.#ttlMs = options.ttlMs ?? 30_000;
    this.#staleMs = options.staleMs ?? 300_000;
    this.#now = options.now ?? (() => performance.now());
    this.#resolve =
      options.resolve ??
      ((hostname, done) => {
        systemLookup(hostname, { all: true }, done);
      });
  }

  /** For `net.connect` and `tls.connect`. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#addresses(hostname, (error, all) => {
      const addresses = ofFamily(all, options);
      const [first] = addresses;
      if (error !== null || first === undefined) callback(error ?? notFound(hostname), '', 0);
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };

  #addresses(hostname: string, done: Waiter): void {
    const entry = this.#entries.get(hostname);
    if (entry !== undefined && this.#now() - entry.at < this.#ttlMs) {
      // net.connect expects its lookup to answer later, never at once.
      process.nextTick(done, null, entry.addresses);
      return;
    }
    const waiting = this.#asking.get(hostname);
    if (waiting !== undefined) {
      waiting.push(done);
      return;
    }
    const waiters = [done];
    this.#asking.set(hostname, waiters);
    this.#resolve(hostname, (error, addresses) => {
      this.#asking.delete(hostname);
      const usable = entry !== undefined && this.#now() - entry.at < this.#ttlMs + this.#staleMs;
      if (error === null) this.#entries.set(hostname, { addresses, at: this.#now() });
      for (const waiter of waiters) {
        if (error !== null && usable) waiter(null, entry.addresses);
        else waiter(error, addresses);
      }
    });
  }
}

function ofFamily(addresses: LookupAddress[] | undefined, options: LookupOptions): LookupAddress[] {
  const family = options.family === 'IPv4' ? 4 : options.family === 'IPv6' ? 6 : options.family;
  if (addresses === undefined) return [];
  return family === 4 || family === 6 ? addresses.filter((a) => a.family === family) : addresses;
}

function notFound(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`no address for ${hostname}`), { code: 'ENOTFOUND' });
}
