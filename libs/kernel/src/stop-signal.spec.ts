import { describe, expect, it } from '@jest/globals';
import { firstStop, StopSource, type StopSignal } from './stop-signal.js';

/** What holds for the platform's signal and for our own. */
describe.each<[string, () => { signal: StopSignal; abort: (reason: unknown) => void }]>([
  [
    'AbortSignal',
    () => {
      const controller = new AbortController();
      return {
        signal: controller.signal,
        abort: (reason: unknown) => controller.abort(reason),
      };
    },
  ],
  [
    'StopSource',
    () => {
      const source = new StopSource();
      return { signal: source, abort: (reason: unknown) => source.abort(reason) };
    },
  ],
])('%s as a StopSignal', (_, make) => {
  it('tells each listener once, with the first reason in hand', () => {
    const { signal, abort } = make();
    const heard: unknown[] = [];
    const listen = (name: string) => () => heard.push([name, signal.aborted, signal.reason]);
    signal.addEventListener('abort', listen('one'), { once: true });
    signal.addEventListener('abort', listen('two'), { once: true });
    expect([signal.aborted, signal.reason]).toEqual([false, undefined]);
    abort('first');
    abort('second');
    expect(heard).toEqual([
      ['one', true, 'first'],
      ['two', true, 'first'],
    ]);
  });

  it('tells nobody who has left, nor who comes afterwards', () => {
    const { signal, abort } = make();
    let told = 0;
    const listener = (): void => {
      told++;
    };
    signal.removeEventListener('abort', listener);
    signal.addEventListener('abort', listener, { once: true });
    signal.removeEventListener('abort', listener);
    abort('gone');
    signal.addEventListener('abort', listener, { once: true });
    expect(told).toBe(0);
  });
});

describe('firstStop', () => {
  it('stops with the first of its signals, of either kind', () => {
    const ours = new StopSource();
    const platform = new AbortController();
    const first = firstStop(ours, platform.signal);
    expect(first.aborted).toBe(false);
    platform.abort('platform');
    ours.abort('ours');
    expect([first.aborted, first.reason]).toEqual([true, 'platform']);
  });

  it('has stopped already when one of them has', () => {
    const stopped = new StopSource();
    stopped.abort('before');
    expect(firstStop(new StopSource(), stopped).reason).toBe('before');
  });
});
