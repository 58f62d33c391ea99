import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { HttpFailure } from './http.failure.js';

/** True for addresses of the open Internet: not loopback, private, link-local, shared, multicast, reserved or mapped to one. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  // `process` unwraps ::ffff:1.2.3.4; ranges that carry an IPv4 address inside (NAT64, 6to4) are not `unicast` either.
  return ipaddr.process(address).range() === 'unicast';
}

/**
 * A lookup that refuses names with any private address. It runs inside the connection, so that a name that
 * changes its address after a check (DNS rebinding) gains nothing.
 */
export function publicAddressesOnly(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null || typeof addresses === 'string') {
        callback(error, '', 0);
        return;
      }
      const [first] = addresses;
      if (first === undefined || addresses.some((a) => !isPublicAddress(a.address))) {
        callback(new HttpFailure('address', `${hostname} is not at a public address`), '', 0);
      } else if (options.all === true) {
        callback(null, addresses);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}

/** Literal addresses in a URL never reach a lookup, so they are checked by themselves. */
export function refusePrivateLiteral(hostname: string): void {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  if (isIP(bare) !== 0 && !isPublicAddress(bare)) {
    throw new HttpFailure('address', `${hostname} is not a public address`);
  }
}
