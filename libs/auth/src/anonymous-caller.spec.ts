import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { addressPrefix, AnonymousCallers } from './anonymous-caller.js';

describe('anonymous callers', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['::1', '::/64'],
    ['', 'unknown'],
    ['not an address', 'unknown'],
  ])('takes %s as %s', (address, prefix) => {
    expect(addressPrefix(address)).toBe(prefix);
  });

  it('gives all addresses of one /64 one identity, and two /64 two', () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((n) => n.toString(16));
    const four = fc.array(group, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(four, four, four, (network, one, other) => {
        const at = (host: string[]) => addressPrefix([...network, ...host].join(':'));
        fc.pre(!network.every((part) => part === '0'));
        expect(at(one)).toBe(at(other));
        const next = [...network.slice(0, 3), (parseInt(network[3]!, 16) ^ 1).toString(16)];
        expect(addressPrefix([...next, ...one].join(':'))).not.toBe(at(one));
      }),
    );
  });

  it('gives the same frozen caller each time, at the anonymous tier and without scopes', () => {
    const callers = new AnonymousCallers();
    const caller = callers.at('192.0.2.7');
    expect(caller).toEqual({
      tenant: 'default',
      id: 'ip:192.0.2.7',
      kind: 'anonymous',
      tier: 'anonymous',
      scopes: [],
    });
    expect(callers.at('192.0.2.7')).toBe(caller);
    expect(Object.isFrozen(caller)).toBe(true);
    expect(callers.at(undefined).id).toBe('ip:unknown');
  });
});
