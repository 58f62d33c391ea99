import { describe, expect, it } from '@jest/globals';
import { DeferredWork } from './deferred-work.js';
import { SilentLogger } from './logger.js';

class RecordingLogger extends SilentLogger {
  readonly warnings: { fields: object; message: string }[] = [];
  override warn(fields?: object, message?: string): void {
    this.warnings.push({ fields: fields ?? {}, message: message ?? '' });
  }
}

describe('deferred work', () => {
  it('starts after the caller has gone on', async () => {
    const deferred = new DeferredWork(new SilentLogger());
    const order: string[] = [];
    deferred.run('store', () => {
      order.push('work');
      return undefined;
    });
    order.push('caller');
    expect(deferred.pending).toBe(1);
    expect(await deferred.drain(1000)).toBe(true);
    expect(order).toEqual(['caller', 'work']);
    expect(deferred.pending).toBe(0);
  });

  it('logs a failure, rejected or thrown, and goes on', async () => {
    const logger = new RecordingLogger();
    const deferred = new DeferredWork(logger);
    deferred.run('rejects', () => Promise.reject(new Error('a')));
    deferred.run('throws', () => {
      throw new Error('b');
    });
    expect(await deferred.drain(1000)).toBe(true);
    expect(logger.warnings.map(({ fields }) => fields)).toEqual([
      { work: 'rejects', err: new Error('a') },
      { work: 'throws', err: new Error('b') },
    ]);
  });

  it('is drained only when work that work started is done too', async () => {
    const deferred = new DeferredWork(new SilentLogger());
    let done = false;
    deferred.run('outer', async () => {
      deferred.run('inner', async () => {
        await new Promise((resolve) => setImmediate(resolve));
        done = true;
      });
    });
    expect(await deferred.drain(1000)).toBe(true);
    expect(done).toBe(true);
  });

  it('gives up draining at the deadline', async () => {
    const deferred = new DeferredWork(new SilentLogger());
    const { promise, resolve: finish } = Promise.withResolvers<undefined>();
    deferred.run('hangs', () => promise);
    expect(await deferred.drain(20)).toBe(false);
    finish(undefined);
    expect(await deferred.drain(1000)).toBe(true);
  });

  it('drops work beyond its limit and after it is closed, and says so', async () => {
    const logger = new RecordingLogger();
    const deferred = new DeferredWork(logger, 1);
    expect(deferred.run('first', () => undefined)).toBe(true);
    expect(deferred.run('second', () => undefined)).toBe(false);
    await deferred.drain(1000);
    deferred.close();
    expect(deferred.run('third', () => undefined)).toBe(false);
    expect(logger.warnings.map(({ fields }) => fields)).toEqual([
      { work: 'second' },
      { work: 'third' },
    ]);
  });
});
