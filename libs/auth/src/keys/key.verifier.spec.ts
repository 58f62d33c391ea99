import { beforeEach, describe, expect, it } from '@jest/globals';
import { GatewayError, ManualClock, type Caller } from '@sluice/kernel';
import { DeferredWork, SilentLogger } from '@sluice/observability';
import { KeyHasher } from '../api-key.js';
import { ConnectionDigests } from '../connection.digests.js';
import type { KeyRecord } from '../persistence/key.record.js';
import type { KeyRepository } from '../persistence/key.repository.js';
import { KeyLookup } from './key.lookup.js';
import { KeyVerifier } from './key.verifier.js';

const hasher = new KeyHasher('pepper');
const digests = new ConnectionDigests(hasher);
const NOW = Date.UTC(2026, 0, 1);

/** The table in memory, with a switch. */
class Table {
  readonly rows = new Map<string, KeyRecord>();
  asked = 0;
  statements = 0;
  state: 'up' | 'down' | 'hung' = 'up';

  add(secret: string, more: Partial<KeyRecord> = {}): KeyRecord {
    const record: KeyRecord = {
      id: `id-${secret}`,
      tenant: 'default',
      hash: hasher.hash(secret),
      hint: '',
      name: secret,
      tier: 'paid',
      owner: null,
      scopes: [],
      createdAt: new Date(NOW),
      expiresAt: null,
      revokedAt: null,
      ...more,
    };
    this.rows.set(record.hash.toString('hex'), record);
    return record;
  }

  async findByHashes(hashes: readonly Buffer[]): Promise<readonly KeyRecord[]> {
    this.asked += hashes.length;
    this.statements++;
    if (this.state === 'down') throw new Error('connection refused');
    if (this.state === 'hung') return new Promise(() => undefined);
    return hashes.flatMap((hash) => this.rows.get(hash.toString('hex')) ?? []);
  }
}

let table: Table;
let clock: ManualClock;
let deferred: DeferredWork;
let verifier: KeyVerifier;
beforeEach(() => {
  table = new Table();
  clock = new ManualClock(NOW);
  deferred = new DeferredWork(new SilentLogger());
  // The repository's one method that the look-up uses.
  const lookup = new KeyLookup(table as unknown as KeyRepository, clock);
  verifier = new KeyVerifier(lookup, deferred, clock, new SilentLogger());
});

const digest = (secret: string) => digests.of(secret, undefined);
const verify = async (secret: string): Promise<Caller> => verifier.verify(digest(secret));
const code = (secret: string): Promise<string> =>
  verify(secret).then(
    () => 'admitted',
    (error: unknown) => (error instanceof GatewayError ? error.code : String(error)),
  );
const settle = () => deferred.drain(1_000);

describe('KeyVerifier', () => {
  it('names the owner as caller, the key itself when none is named', async () => {
    table.add('own', { owner: 'team-a', tenant: 'acme', scopes: ['admin'] });
    table.add('bare');
    expect(await verify('own')).toEqual({
      tenant: 'acme',
      id: 'team-a',
      kind: 'key',
      tier: 'paid',
      scopes: ['admin'],
      keyId: 'id-own',
    });
    expect(await verify('bare')).toMatchObject({ id: 'id-bare', keyId: 'id-bare' });
  });

  it('asks once for a key in use and answers at once afterwards', async () => {
    table.add('k');
    await verify('k');
    const again = verifier.verify(digest('k'));
    expect(again).not.toBeInstanceOf(Promise);
    expect(table.asked).toBe(1);
  });

  it('asks once for many calls that come together, and for many keys in one statement', async () => {
    for (let i = 0; i < 50; i++) table.add(`k${i}`);
    await Promise.all(Array.from({ length: 500 }, (_, i) => verify(`k${i % 50}`)));
    expect(table.asked).toBe(50);
    expect(table.statements).toBe(1);
  });

  it('remembers wrong keys too, and refuses them', async () => {
    expect(await code('wrong')).toBe('unauthorized');
    expect(await code('wrong')).toBe('unauthorized');
    expect(table.asked).toBe(1);
  });

  it('never serves a revoked key longer than 5 s, however often it is used', async () => {
    for (const pause of [100, 900, 1900, 2600, 3400, 4400]) {
      const name = `k${pause}`;
      table.add(name);
      await verify(name);
      clock.advance(1_990);
      await verify(name);
      await settle();
      table.add(name, { revokedAt: new Date(clock.now()) });
      const revokedAt = clock.now();
      for (let used = 0; used < 6_000; used += pause) {
        clock.advance(pause);
        const admitted = (await code(name)) === 'admitted';
        await settle();
        if (admitted) expect(clock.now() - revokedAt).toBeLessThan(5_000);
      }
      expect(await code(name)).toBe('unauthorized');
    }
  });

  it('renews a key in use behind the callers back, so that none of them waits', async () => {
    table.add('k');
    await verify('k');
    for (let i = 0; i < 20; i++) {
      clock.advance(1_000);
      expect(verifier.verify(digest('k'))).not.toBeInstanceOf(Promise);
      await settle();
    }
    expect(table.asked).toBeGreaterThan(5);
    expect(table.asked).toBeLessThan(12);
  });

  it('takes a revocation of its own process at once, also against an answer that was asked for before it', async () => {
    const record = table.add('k');
    await verify('k');
    clock.advance(2_500);
    await verify('k');
    // The renewal has asked and not been answered when the key is revoked here.
    verifier.learn({ ...record, revokedAt: new Date(clock.now()) });
    await settle();
    expect(await code('k')).toBe('unauthorized');
  });

  it('follows a change of tier', async () => {
    const record = table.add('k');
    expect((await verify('k')).tier).toBe('paid');
    verifier.learn({ ...record, tier: 'free' });
    expect((await verify('k')).tier).toBe('free');
  });

  it('refuses a key from the moment it expires', async () => {
    table.add('k', { expiresAt: new Date(NOW + 1_000) });
    expect(await code('k')).toBe('admitted');
    clock.advance(999);
    expect(await code('k')).toBe('admitted');
    clock.advance(1);
    expect(await code('k')).toBe('unauthorized');
  });

  it('lets keys checked lately go on while the database is down, at most for ten minutes', async () => {
    table.add('k');
    await verify('k');
    table.state = 'down';
    for (let minute = 0; minute < 9; minute++) {
      clock.advance(60_000);
      expect(await code('k')).toBe('admitted');
    }
    clock.advance(61_000);
    expect(await code('k')).toBe('overloaded');
    table.state = 'up';
    clock.advance(1_001);
    expect(await code('k')).toBe('admitted');
  });

  it('asks a database that is down once a second, however many callers there are', async () => {
    table.add('k');
    await verify('k');
    table.state = 'down';
    clock.advance(10_000);
    const before = table.statements;
    for (let call = 0; call < 100; call++) {
      expect(await code('k')).toBe('admitted');
      await deferred.drain(1_000);
      clock.advance(5);
    }
    expect(table.statements - before).toBe(1);
  });

  it('makes one caller a second wait for a database that hangs, not all of them', async () => {
    table.add('k');
    await verify('k');
    table.state = 'hung';
    clock.advance(10_000);
    const started = performance.now();
    expect(await code('k')).toBe('admitted');
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(verifier.verify(digest('k'))).not.toBeInstanceOf(Promise);
  });

  it('does not admit a key it knows to be revoked while the database is down', async () => {
    const record = table.add('k');
    await verify('k');
    verifier.learn({ ...record, revokedAt: new Date(NOW) });
    table.state = 'down';
    clock.advance(60_000);
    expect(await code('k')).toBe('unauthorized');
  });

  it('says 503 and not 401 for a key that nothing is known about while the database is down', async () => {
    table.add('k');
    table.state = 'down';
    expect(await code('k')).toBe('overloaded');
    expect(await code('k')).toBe('overloaded');
    expect(table.asked).toBe(1);
    table.state = 'up';
    clock.advance(1_001);
    expect(await code('k')).toBe('admitted');
  });

  it('keeps good keys through a flood of wrong ones, in bounded memory', async () => {
    table.add('k');
    await verify('k');
    for (let round = 0; round < 12; round++) {
      await Promise.all(Array.from({ length: 1_000 }, (_, i) => code(`wrong ${round} ${i}`)));
    }
    table.state = 'down';
    expect(await code('k')).toBe('admitted');
  });

  it('refuses to queue without bound when the database is slow', async () => {
    table.state = 'hung';
    const many = Array.from({ length: 2_100 }, (_, i) => code(`k${i}`));
    expect((await Promise.all(many.slice(2_000))).every((c) => c === 'overloaded')).toBe(true);
    await Promise.all(many);
  });
});
