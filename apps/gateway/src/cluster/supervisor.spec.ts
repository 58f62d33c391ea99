import { describe, expect, it } from '@jest/globals';
import { SilentLogger } from '@sluice/observability';
import { Supervisor, WorkerFailed, type WorkerProcess } from './supervisor.js';

/** Workers that live and die as the test says. */
class Workshop {
  readonly forked: {
    slot: number;
    process: WorkerProcess;
    said: string[];
    ready(): void;
    end(how: number | string): void;
  }[] = [];
  readonly waits: number[] = [];
  now = 0;

  supervisor(workers: number): Supervisor {
    return new Supervisor({
      workers,
      fork: (slot) => this.#fork(slot),
      logger: new SilentLogger(),
      now: () => this.now,
      wait: async (ms) => void this.waits.push(ms),
    });
  }

  /** The latest process in a slot. */
  latest(slot: number) {
    return this.forked.findLast((one) => one.slot === slot)!;
  }

  async settled(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  #fork(slot: number): WorkerProcess {
    // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- the promise of WorkerProcess.ready
    const ready = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<number | string>();
    const said: string[] = [];
    const process: WorkerProcess = {
      pid: this.forked.length + 1,
      ready: ready.promise,
      ended: ended.promise,
      stop: () => void said.push('stop'),
      kill: () => {
        said.push('kill');
        ended.resolve('SIGKILL');
      },
    };
    this.forked.push({ slot, process, said, ready: ready.resolve, end: ended.resolve });
    return process;
  }
}

async function running(workers: number): Promise<{ shop: Workshop; supervisor: Supervisor }> {
  const shop = new Workshop();
  const supervisor = shop.supervisor(workers);
  const started = supervisor.start();
  shop.latest(0).ready();
  await started;
  return { shop, supervisor };
}

describe('Supervisor', () => {
  it('starts the others when the first is ready', async () => {
    const shop = new Workshop();
    const started = shop.supervisor(3).start();
    await shop.settled();
    expect(shop.forked.map((one) => one.slot)).toEqual([0]);
    shop.latest(0).ready();
    await started;
    expect(shop.forked.map((one) => one.slot)).toEqual([0, 1, 2]);
  });

  it('gives up when the first ends before it is ready', async () => {
    const shop = new Workshop();
    const started = shop.supervisor(2).start();
    shop.latest(0).end(1);
    await expect(started).rejects.toEqual(new WorkerFailed(1));
    expect(shop.forked).toHaveLength(1);
  });

  it('replaces a worker that ends, in its place, at once and then later and later', async () => {
    const { shop } = await running(2);
    for (let i = 0; i < 9; i++) {
      shop.latest(1).end('SIGKILL');
      await shop.settled();
    }
    expect(shop.waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    expect(shop.forked.slice(2).map((one) => one.slot)).toEqual(Array(9).fill(1));
  });

  it('forgets the failures before a steady life', async () => {
    const { shop } = await running(1);
    for (const life of [0, 0, 60_000]) {
      shop.now += life;
      shop.latest(0).end(1);
      await shop.settled();
    }
    expect(shop.waits).toEqual([100, 200, 100]);
  });

  it('stops all and replaces none', async () => {
    const { shop, supervisor } = await running(2);
    shop.latest(1).ready();
    await shop.settled();
    const stopped = supervisor.stop(60_000);
    expect(shop.forked.map((one) => one.said)).toEqual([['stop'], ['stop']]);
    shop.latest(0).end(0);
    shop.latest(1).end(0);
    await stopped;
    await shop.settled();
    expect(shop.forked).toHaveLength(2);
    expect(supervisor.alive).toEqual([]);
  });

  it('does not wait for one that is still starting', async () => {
    const { shop, supervisor } = await running(2);
    const stopped = supervisor.stop(60_000);
    shop.latest(0).end(0);
    await stopped;
    expect(shop.latest(1).said).toEqual(['kill']);
  });

  it('kills those that do not go in time', async () => {
    const { shop, supervisor } = await running(2);
    shop.latest(1).ready();
    await shop.settled();
    const stopped = supervisor.stop(0);
    shop.latest(0).end(0);
    await stopped;
    expect(shop.latest(1).said).toEqual(['stop', 'kill']);
  });
});
