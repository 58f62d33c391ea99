import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { serve } from './thread-server.js';

/** Asks an object through a real port. */
async function ask(of: object, method: string, args?: unknown): Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  serve(port1, of);
  port2.postMessage({ id: 7, method, args });
  const [answer] = (await once(port2, 'message')) as [unknown];
  port1.close();
  return answer;
}

class Adder {
  readonly #start = 1;
  add = (n: number): number => this.#start + n;
  later(n: number): Promise<number> {
    return Promise.resolve(this.#start + n);
  }
  refuse(): never {
    throw Object.assign(new Error('no'), { code: 'E_NO' });
  }
  refuseLater(): Promise<never> {
    return Promise.reject(new TypeError('not now'));
  }
}

describe('serve', () => {
  it('sends back what a method gives, at once or later', async () => {
    expect(await ask(new Adder(), 'add', 2)).toEqual({ id: 7, value: 3 });
    expect(await ask(new Adder(), 'later', 2)).toEqual({ id: 7, value: 3 });
    expect(await ask(new Adder(), 'unknown')).toEqual({ id: 7, value: undefined });
  });

  it('sends back why a method refused', async () => {
    expect(await ask(new Adder(), 'refuse')).toEqual({ id: 7, error: 'no', code: 'E_NO' });
    expect(await ask(new Adder(), 'refuseLater')).toEqual({ id: 7, error: 'not now' });
  });
});
