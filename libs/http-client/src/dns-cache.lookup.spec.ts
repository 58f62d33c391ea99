import { describe, expect, it } from '@jest/globals';
import type { LookupAddress } from 'node:dns';
import { DnsCache } from './dns-cache.lookup.js';

function setup() {
  const state = { now: 0, asked: 0, failing: false, held: [] as (() => void)[], hold: false };
  const addresses: LookupAddress[] = [
    { address: '192.0.2.1', family: 4 },
    { address: '2001:db8::1', family: 6 },
  ];
  const cache = new DnsCache({
    ttlMs: 100,
    staleMs: 1000,
    now: () => state.now,
    resolve: (_name, done) => {
      state.asked++;
      const answer = (): void => {
        if (state.failing) done(Object.assign(new Error('SERVFAIL'), { code: 'EAI_AGAIN' }), []);
        else done(null, addresses);
      };
      if (state.hold) state.held.push(answer);
      else answer();
    },
  });
  const ask = (
    options: { all?: boolean; family?: number | 'IPv4' | 'IPv6' } = {},
  ): Promise<unknown> =>
    new Promise((resolve, reject) => {
      cache.lookup('api.example', options, (error, address) => {
        if (error === null) resolve(address);
        else reject(error);
      });
    });
  return { state, ask };
}

describe('DnsCache', () => {
  it('asks once within the time to live and again after it', async () => {
    const { state, ask } = setup();
    await ask();
    await ask();
    expect(state.asked).toBe(1);
    state.now = 101;
    await ask();
    expect(state.asked).toBe(2);
  });
  it('asks once for callers that come together', async () => {
    const { state, ask } = setup();
    state.hold = true;
    const both = Promise.all([ask(), ask()]);
    state.held[0]?.();
    expect(await both).toEqual(['192.0.2.1', '192.0.2.1']);
    expect(state.asked).toBe(1);
  });
  it('answers by family, one or all', async () => {
    const { ask } = setup();
    expect(await ask({ family: 6 })).toBe('2001:db8::1');
    expect(await ask({ family: 'IPv6' })).toBe('2001:db8::1');
    expect(await ask({ family: 'IPv4' })).toBe('192.0.2.1');
    expect(await ask({ all: true })).toHaveLength(2);
  });
  it('uses an old answer while the resolver fails, but not for ever', async () => {
    const { state, ask } = setup();
    await ask();
    state.failing = true;
    state.now = 500;
    expect(await ask()).toBe('192.0.2.1');
    state.now = 2000;
    await expect(ask()).rejects.toThrow('SERVFAIL');
  });
  it('says so when there is no address', async () => {
    const cache = new DnsCache({ resolve: (_n, done) => done(null, []) });
    await expect(
      new Promise((resolve, reject) => {
        cache.lookup('x', {}, (error, a) => (error === null ? resolve(a) : reject(error)));
      }),
    ).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });
  it('resolves with the system when nothing else is given', async () => {
    const address = await new Promise((resolve, reject) => {
      new DnsCache().lookup('localhost', { family: 4 }, (error, a) =>
        error === null ? resolve(a) : reject(error),
      );
    });
    expect(address).toBe('127.0.0.1');
  });
});
