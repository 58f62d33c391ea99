import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';
import { bounded, type Caller } from '@sluice/kernel';

export const ANONYMOUS_TIER = 'anonymous';
const MAX_REMEMBERED = 10_000;
const HOST_PARTS = 4;

/** Callers without a key, told apart by address. */
export class AnonymousCallers {
  readonly #known = new LRUCache<string, Caller>(bounded(MAX_REMEMBERED));

  /** @param address the client's, as the server sees it behind trusted proxies */
  at(address: string | undefined): Caller {
    const key = address ?? '';
    let caller = this.#known.get(key);
    if (caller === undefined) {
      caller = Object.freeze({
        tenant: 'default',
        id: `ip:${addressPrefix(key)}`,
        kind: 'anonymous',
        tier: ANONYMOUS_TIER,
        scopes: Object.freeze([]),
      });
      this.#known.set(key, caller);
    }
    return caller;
  }
}

/**
 * IPv4 as it is, also when a dual-stack socket writes it `::ffff:192.0.2.1`; IPv6 as its /64, because one
 * subscriber has at least that many addresses and could be a new caller with each request.
 */
export function addressPrefix(address: string): string {
  const bare = address.split('%', 1)[0] ?? '';
  if (!ipaddr.isValid(bare)) return 'unknown';
  const parsed = ipaddr.process(bare);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  const network = new ipaddr.IPv6([...parsed.parts.slice(0, HOST_PARTS), 0, 0, 0, 0]);
  return `${network.toString()}/64`;
}
