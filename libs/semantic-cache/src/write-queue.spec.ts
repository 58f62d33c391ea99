import { describe, expect, it } from '@jest/globals';
import { DeferredWork, SilentLogger } from '@sluice/observability';
import { WriteQueue, type WriteQueueOptions } from './write-queue.js';

interface Item {
  readonly key: string;
  readonly value?: number;
}

function queueOf(options: Partial<WriteQueueOptions<Item>> = {}) {
  const batches: string[][] = [];
  let dropped = 0;
  const deferred = new DeferredWork(new SilentLogger());
  const queue = new WriteQueue<Item>({
    name: 'test',
    deferred,
    write: (batch) => {
      batches.push(batch.map(({ key, value }) => key + String(value ?? '')));
      return Promise.resolve();
    },
    onDropped: (items) => (dropped += items),
    ...options,
  });
  return { queue, batches, deferred, dropped: () => dropped };
}
const fill = (queue: WriteQueue<Item>, from: number, to: number) => {
  for (let i = from; i < to; i++) queue.add({ key: `k${i}` });
};

describe('the write queue', () => {
  it('writes soon, and many at once; the newest of a key alone', async () => {
    const { queue, batches, deferred } = queueOf({ everyMs: 5 });
    queue.add({ key: 'a', value: 1 });
    queue.add({ key: 'b' });
    queue.add({ key: 'a', value: 2 });
    expect(batches).toEqual([]);
    await deferred.drain(5000);
    expect(batches).toEqual([['a2', 'b']]);
  });

  it('does not wait when a batch is full', async () => {
    const { queue, batches, deferred } = queueOf({ everyMs: 1e6, batch: 2 });
    fill(queue, 0, 4);
    await deferred.drain(5000);
    expect(batches).toEqual([
      ['k0', 'k1'],
      ['k2', 'k3'],
    ]);
  });

  it('does not wait when somebody waits for it', async () => {
    const { queue, batches } = queueOf({ everyMs: 1e6 });
    fill(queue, 0, 1);
    await queue.flush();
    fill(queue, 1, 2);
    await queue.flush();
    await queue.flush();
    expect(batches).toEqual([['k0'], ['k1']]);
  });

  it('takes back what is not written yet', async () => {
    const { queue, batches } = queueOf({ everyMs: 1e6 });
    fill(queue, 0, 3);
    queue.remove((key) => key !== 'k1');
    await queue.flush();
    expect(batches).toEqual([['k1']]);
  });

  it('is bounded: what is too much is dropped and told', async () => {
    const { queue, batches, dropped } = queueOf({ everyMs: 1e6, limit: 2 });
    fill(queue, 0, 3);
    queue.add({ key: 'k0', value: 9 });
    await queue.flush();
    expect(dropped()).toBe(1);
    expect(batches).toEqual([['k09', 'k1']]);
  });

  it('loses a batch that cannot be written, and goes on', async () => {
    let broken = true;
    const written: string[] = [];
    const { queue } = queueOf({
      everyMs: 1e6,
      batch: 1,
      write: (batch) => {
        if (broken) return Promise.reject(new Error('down'));
        written.push(...batch.map(({ key }) => key));
        return Promise.resolve();
      },
    });
    fill(queue, 0, 2);
    await queue.flush();
    broken = false;
    await queue.flush();
    fill(queue, 2, 3);
    await queue.flush();
    expect(written).toEqual(['k1', 'k2']);
  });

  it('drops everything when no work is taken any more', () => {
    const { queue, deferred, dropped } = queueOf();
    deferred.close();
    fill(queue, 0, 2);
    expect(dropped()).toBe(2);
    expect(queue.size).toBe(0);
  });
});
