import { describe, expect, it } from '@jest/globals';
import { configFromObjects } from '@sluice/config';
import {
  ChatCall,
  ChatReply,
  FeatureFlags,
  NO_USAGE,
  SYSTEM_CALLER,
  type ChatHandler,
} from '@sluice/kernel';
import { CoalescingInterceptor } from './coalescing.interceptor.js';

class OneFlag extends FeatureFlags {
  on = true;
  isOn(flag: string): boolean {
    return flag === 'coalescing' ? this.on : true;
  }
}

const sluice = { providers: [{ id: 'p', kind: 'sandbox' as const }], models: [] };
const callOf = (id: string) =>
  new ChatCall({
    id,
    caller: SYSTEM_CALLER,
    dialect: 'openai-chat',
    model: 'm',
    stream: false,
    body: { model: 'm', messages: [{ role: 'user', content: 'same' }] },
    signal: new AbortController().signal,
    parse: () => ({ messages: [{ role: 'user', parts: [{ type: 'text', text: 'same' }] }] }),
  });

/** Sends two identical calls at once and counts the upstream's runs. */
async function runsOfTwins(interceptor: CoalescingInterceptor): Promise<number> {
  let runs = 0;
  const next: ChatHandler = () => {
    runs++;
    const message = { id: 'a', model: 'm', created: 0, usage: NO_USAGE, choices: [] };
    return Promise.resolve(ChatReply.message(message));
  };
  const replies = await Promise.all([
    interceptor.around(callOf('a'), next),
    interceptor.around(callOf('b'), next),
  ]);
  for (const reply of replies) reply.take();
  return runs;
}

describe('identical calls at once', () => {
  it('share one run until the flag is switched off, and again when it is back', async () => {
    const flags = new OneFlag();
    const interceptor = new CoalescingInterceptor(configFromObjects({ sluice }), flags);
    expect(await runsOfTwins(interceptor)).toBe(1);
    flags.on = false;
    expect(await runsOfTwins(interceptor)).toBe(2);
    flags.on = true;
    expect(await runsOfTwins(interceptor)).toBe(1);
  });

  it('follow the environment where nobody binds flags', async () => {
    const env = { ENABLE_COALESCING: 'false' };
    expect(await runsOfTwins(new CoalescingInterceptor(configFromObjects({ sluice, env })))).toBe(
      2,
    );
    expect(await runsOfTwins(new CoalescingInterceptor(configFromObjects({ sluice })))).toBe(1);
  });
});
