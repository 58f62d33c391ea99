import { describe, expect, it } from '@jest/globals';
import { configFromObjects } from '@sluice/config';
import {
  ChatCall,
  ChatReply,
  FeatureFlags,
  NO_USAGE,
  SYSTEM_CALLER,
  type Caller,
  type ChatHandler,
} from '@sluice/kernel';
import { Metrics } from '@sluice/observability';
import { CacheMetrics } from '@sluice/semantic-cache';
import { CoalescingInterceptor } from './coalescing.interceptor.js';

class OneFlag extends FeatureFlags {
  on = true;
  isOn(flag: string): boolean {
    return flag === 'coalescing' ? this.on : true;
  }
}

const sluice = { providers: [{ id: 'p', kind: 'sandbox' as const }], models: [] };
const callOf = (id: string, caller: Caller, more: object) =>
  new ChatCall({
    id,
    caller,
    dialect: 'openai-chat',
    model: 'm',
    stream: false,
    body: { model: 'm', messages: [{ role: 'user', content: 'same' }], ...more },
    signal: new AbortController().signal,
    parse: () => ({ messages: [{ role: 'user', parts: [{ type: 'text', text: 'same' }] }] }),
  });

/** Sends two identical calls at once and counts the upstream's runs. */
async function runsOfTwins(
  interceptor: CoalescingInterceptor,
  [one, other]: readonly [Caller, Caller] = [SYSTEM_CALLER, SYSTEM_CALLER],
  more: object = {},
): Promise<number> {
  let runs = 0;
  const next: ChatHandler = () => {
    runs++;
    const message = { id: 'a', model: 'm', created: 0, usage: NO_USAGE, choices: [] };
    return Promise.resolve(ChatReply.message(message));
  };
  const replies = await Promise.all([
    interceptor.around(callOf('a', one, more), next),
    interceptor.around(callOf('b', other, more), next),
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

  it.each<[string, Partial<Caller>]>([
    ['kind: a person may be called like a key', { kind: 'anonymous' }],
    ['tier: it may not reach the same models', { tier: 'free' }],
    ['tenant, however the names are cut', { tenant: 'default\nsystem', id: '' }],
  ])('share nothing with a caller of another %s', async (_name, other) => {
    const interceptor = new CoalescingInterceptor(configFromObjects({ sluice }));
    const caller = { ...SYSTEM_CALLER, tenant: 'default', id: 'system\n', kind: 'key' as const };
    expect(await runsOfTwins(interceptor, [caller, caller])).toBe(1);
    expect(await runsOfTwins(interceptor, [caller, { ...caller, ...other }])).toBe(2);
  });

  it('have runs of their own, and are counted, when no key can be made', async () => {
    const metrics = new Metrics();
    const config = configFromObjects({ sluice });
    const interceptor = new CoalescingInterceptor(config, undefined, new CacheMetrics(metrics));
    expect(await runsOfTwins(interceptor, [SYSTEM_CALLER, SYSTEM_CALLER], { big: 1n })).toBe(2);
    expect(await metrics.registry.metrics()).toContain('cache_faults_total{tier="coalesced"} 2');
  });

  it('follow the environment where nobody binds flags', async () => {
    const env = { ENABLE_COALESCING: 'false' };
    expect(await runsOfTwins(new CoalescingInterceptor(configFromObjects({ sluice, env })))).toBe(
      2,
    );
    expect(await runsOfTwins(new CoalescingInterceptor(configFromObjects({ sluice })))).toBe(1);
  });
});
