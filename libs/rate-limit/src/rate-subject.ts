import { createHash } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import type { Caller } from '@sluice/kernel';

const MAX_LENGTH = 160;

/** Who a request is counted for. Ids of any length and content give a short text without braces. */
export function subjectOf(caller: Caller, scope: string): string {
  const subject = `${caller.tenant}/${caller.id}${scope === '' ? '' : ` ${scope}`}`;
  // Braces would move the Redis hash tag; long ids would fill the memory.
  if (subject.length <= MAX_LENGTH && !/[{}]/.test(subject)) return subject;
  const digest = createHash('sha256').update(subject).digest('base64url');
  return `${caller.id.startsWith('ip:') ? 'ip:' : ''}#${digest}`;
}

/**
 * A test for membership in a list of addresses and CIDR ranges; undefined when there are none. Bad entries are told by
 * {@link badAddresses}.
 */
export function addressList(
  entries: readonly string[],
): ((address: string | undefined) => boolean) | undefined {
  const ranges = entries.map(parseRange).filter((range) => range !== undefined);
  if (ranges.length === 0) return undefined;
  return (address) => {
    if (address === undefined || !ipaddr.isValid(address)) return false;
    // process() unwraps ::ffff:10.0.0.1, which a dual-stack socket reports for 10.0.0.1.
    const parsed = ipaddr.process(address);
    return ranges.some(([base, bits]) => base.kind() === parsed.kind() && parsed.match(base, bits));
  };
}

/** The entries that are neither an address nor a range. */
export function badAddresses(entries: readonly string[]): readonly string[] {
  return entries.filter((entry) => parseRange(entry) === undefined);
}

function parseRange(entry: string): [ipaddr.IPv4 | ipaddr.IPv6, number] | undefined {
  if (ipaddr.isValidCIDR(entry)) return ipaddr.parseCIDR(entry);
  if (!ipaddr.isValid(entry)) return undefined;
  const address = ipaddr.process(entry);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}
