import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configFromObjects } from '@sluice/config';
import { SystemClock } from '@sluice/kernel';
import { SilentLogger } from '@sluice/observability';
import { TestMachine } from '../../../cluster/testing/machine.js';
import {
  DIMENSION,
  NOW,
  describeVectorStore,
  pointOf,
  queryOf,
} from '../../testing/vector-store.contract.js';
import { ValueCodec } from '../exact/value-codec.js';
import { cacheHost, type CacheHost } from '../host.js';
import { MachineKeyvStore, MachineVectorStore, VECTORS_SERVICE } from './machine-stores.js';
import type { VectorMatch, VectorQuery } from './vector-store.js';

const folder = mkdtempSync(join(tmpdir(), 'machine-'));
afterAll(() => rm(folder, { recursive: true }));
const hosts: CacheHost[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()));
});

/** A machine whose owner keeps the cache's files. */
function machine(): TestMachine {
  const env = { SLUICE_DATA_DIR: join(folder, randomUUID()) };
  const config = configFromObjects({ sluice: { providers: [], models: [] }, env });
  const host = cacheHost(config, new SystemClock(), new SilentLogger());
  hosts.push(host);
  return new TestMachine(host.services);
}

/** What it finds is packed, for whoever reads it; the contract reads it at once. */
class ReadStore extends MachineVectorStore {
  readonly #codec = new ValueCodec(undefined);
  override async search(query: VectorQuery): Promise<VectorMatch[]> {
    const found = await super.search(query);
    return found.map((match) => ({
      ...match,
      text: this.#codec.decodeNow(match.id, match.text),
      answer: this.#codec.decodeNow(match.id, match.answer),
    }));
  }
}

describeVectorStore('the store of a machine', () =>
  Promise.resolve(new ReadStore(machine().worker().link)),
);

describe('the second tier of a machine', () => {
  it('is one for all workers', async () => {
    const owner = machine();
    const [a, b] = [1, 2].map(() => new MachineKeyvStore(owner.worker().link));
    await Promise.all([a!.open(), b!.open()]);
    await a!.setMany([
      { key: 'acme:1', value: 'one', ttl: 60_000 },
      { key: 'globex:1', value: 'two', ttl: 60_000 },
    ]);
    await b!.set('acme:2', 'three');
    expect(await b!.get('acme:1')).toBe('one');
    expect((await a!.stats()).entries).toBe(3);
    expect(await a!.delete('globex:1')).toBe(true);
    expect(await b!.get('globex:1')).toBeUndefined();
    expect(await b!.clearMatching('^acme:1')).toBe(1);
    expect(await a!.sweep()).toBe(0);
    await a!.clear();
    expect((await b!.stats()).entries).toBe(0);
    // A worker that leaves takes nothing from the others.
    await a!.disconnect();
    await b!.set('acme:3', 'four');
    expect(await b!.get('acme:3')).toBe('four');
    expect(a!.on()).toBe(a);
  });
});

describe('the vectors of a machine', () => {
  const space = { name: 'space', dimension: DIMENSION };

  it('are not indexed anew when another worker opens them', async () => {
    const owner = machine();
    const [a, b] = [1, 2].map(() => new MachineVectorStore(owner.worker().link));
    await a!.open(space);
    await a!.upsert([pointOf()]);
    await b!.open(space);
    expect(await b!.search(queryOf())).toHaveLength(1);
    expect(await b!.sweep(NOW + 60_000, 10)).toBe(1);
    await a!.close();
    expect(await b!.count()).toBe(0);
  });

  it('are opened again after a fault: the thread that had them open may be gone', async () => {
    const owner = machine();
    const { link } = owner.worker();
    const store = new MachineVectorStore(link);
    await store.open(space);
    await store.upsert([pointOf()]);
    await expect(link.call(VECTORS_SERVICE, 'clear', ['('])).rejects.toThrow(/Invalid regular/);
    await store.open(space);
    expect(await store.count()).toBe(1);
  });
});
