import { describe, expect, it } from '@jest/globals';
import type { LookupFunction } from 'node:net';
import {
  isPublicAddress,
  publicAddressesOnly,
  refusePrivateLiteral,
} from './public-address.lookup.js';

const answering =
  (...addresses: string[]): LookupFunction =>
  (_host, _options, callback) => {
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
const ask = (lookup: LookupFunction, all: boolean): Promise<unknown> =>
  new Promise((resolve, reject) => {
    lookup('hooks.example', { all }, (error, address) => {
      if (error === null) resolve(address);
      else reject(error);
    });
  });

describe('addresses that are not of the open Internet', () => {
  it.each([
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '240.0.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '::',
    '::1',
    'fe80::1',
    'fc00::1',
    'fd12::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:db8::1',
    'nonsense',
    '',
  ])('refuses %s', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
  it.each(['1.1.1.1', '8.8.8.8', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])(
    'accepts %s',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );
});

describe('publicAddressesOnly', () => {
  it('passes public addresses in the asked form', async () => {
    const lookup = publicAddressesOnly(answering('1.1.1.1', '2606:4700::1111'));
    expect(await ask(lookup, false)).toBe('1.1.1.1');
    expect(await ask(lookup, true)).toHaveLength(2);
  });
  it('refuses a name with one private address among public ones', async () => {
    await expect(
      ask(publicAddressesOnly(answering('1.1.1.1', '127.0.0.1')), true),
    ).rejects.toMatchObject({ kind: 'address' });
    await expect(ask(publicAddressesOnly(answering()), true)).rejects.toMatchObject({
      kind: 'address',
    });
  });
  it('passes the resolver’s own failure', async () => {
    const failing: LookupFunction = (_h, _o, callback) => {
      callback(new Error('no resolver'), '', 0);
    };
    await expect(ask(publicAddressesOnly(failing), true)).rejects.toThrow('no resolver');
  });
  it('refuses literal private addresses, which no lookup sees', () => {
    expect(() => refusePrivateLiteral('127.0.0.1')).toThrow('not a public address');
    expect(() => refusePrivateLiteral('[::1]')).toThrow('not a public address');
    expect(() => refusePrivateLiteral('hooks.example')).not.toThrow();
    expect(() => refusePrivateLiteral('8.8.8.8')).not.toThrow();
  });
});
