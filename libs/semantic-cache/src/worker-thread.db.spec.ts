import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { WorkerThread } from './worker-thread.js';

const open: WorkerThread[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all(open.splice(0).map((thread) => thread.close()));
});
function threadOf(onNotice?: (notice: object) => void): WorkerThread {
  const thread = new WorkerThread(
    '../testing/worker.double',
    import.meta.url,
    { some: 'data' },
    onNotice,
  );
  open.push(thread);
  return thread;
}

describe('a worker thread', () => {
  it('answers each call with its own answer', async () => {
    const thread = threadOf();
    const answers = await Promise.all([1, 2, 3].map((n) => thread.call('echo', n)));
    expect(answers).toEqual([1, 2, 3].map((args) => ({ args, data: { some: 'data' } })));
    expect(await thread.call('stray', undefined)).toBe('asked');
  });

  it('passes on refusals with their code, and notices', async () => {
    const notices: object[] = [];
    const thread = threadOf((notice) => notices.push(notice));
    await expect(thread.call('refuse', undefined)).rejects.toMatchObject({
      message: 'no',
      code: 'E_NO',
    });
    await thread.call('tell', 'something');
    expect(notices).toEqual([{ told: 'something' }]);
  });

  it('refuses a call that takes too long, and drops its late answer', async () => {
    const thread = threadOf();
    await thread.call('echo', 0);
    await expect(thread.call('late', 60, 10)).rejects.toMatchObject({ code: 'timeout' });
    expect(await thread.call('late', 80)).toBe('late');
  });

  it.each([
    ['throw', /the thread fell/],
    ['exit', /ended with 3/],
  ])(
    'refuses what waits when the thread dies by %s, and starts anew a second later',
    async (death, reason) => {
      const thread = threadOf();
      await thread.call('echo', 1);
      const waiting = thread.call('late', 60_000);
      const last = thread.call(death, undefined);
      await expect(waiting).rejects.toThrow(reason);
      await expect(last).rejects.toThrow(reason);
      await expect(thread.call('echo', 2)).rejects.toMatchObject({ code: 'down' });
      const later = performance.now() + 1000;
      jest.spyOn(performance, 'now').mockReturnValue(later);
      expect(await thread.call('echo', 3)).toMatchObject({ args: 3 });
    },
  );

  it('ends a thread that hangs, and starts it anew', async () => {
    const thread = threadOf();
    await thread.call('echo', 1);
    const hanging = thread.call('hang', undefined).catch((error: unknown) => error);
    await expect(thread.call('echo', 3, 20)).rejects.toMatchObject({ code: 'timeout' });
    const later = performance.now() + 61_000;
    jest.spyOn(performance, 'now').mockReturnValue(later);
    expect(await thread.call('echo', 4)).toMatchObject({ args: 4 });
    expect(await hanging).toMatchObject({ code: 'hung' });
  });

  it('tells how far it is behind, also when nobody waits any more', async () => {
    const thread = threadOf();
    expect(thread.behindMs).toBe(0);
    await thread.call('echo', 1);
    expect(thread.behindMs).toBe(0);
    const now = performance.now();
    const waiting = thread.call('late', 60_000).catch(() => undefined);
    const clock = jest.spyOn(performance, 'now');
    clock.mockReturnValue(now + 500);
    expect(thread.behindMs).toBeGreaterThan(400);
    // An answer to somebody else does not bring the one that waits any nearer.
    await thread.call('echo', 2);
    expect(thread.behindMs).toBeGreaterThan(400);
    clock.mockRestore();
    const hung = threadOf();
    await hung.call('echo', 1);
    void hung.call('hang', undefined, 20).catch(() => undefined);
    await expect(hung.call('echo', 2, 25)).rejects.toMatchObject({ code: 'timeout' });
    expect(hung.behindMs).toBeGreaterThan(20);
    await thread.close();
    await waiting;
  });

  it('refuses calls after it was closed, also one that waited', async () => {
    const thread = threadOf();
    const waiting = thread.call('late', 60_000).catch((error: unknown) => error);
    await thread.close();
    expect(await waiting).toBeInstanceOf(Error);
    await expect(thread.call('echo', 1)).rejects.toMatchObject({ code: 'closed' });
    await threadOf().close();
  });
});
