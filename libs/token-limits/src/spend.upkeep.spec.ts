import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PoliciesConfigInput } from '@sluice/config';
import { ChatReply, GatewayError, usage, type Caller } from '@sluice/kernel';
import { MemoryBank } from '../testing/memory-stores.js';
import { ann, callOf, root, small, spendWorld } from '../testing/spend-world.js';
import { periodAt, projectedEnd } from './scopes/period.js';

const POLICIES: PoliciesConfigInput = {
  tiers: {
    free: { tokens: { perDay: 10_000 }, total: { budget: { dailyUsd: 0.5 } } },
    admin: {},
  },
  tenants: { acme: { tokens: { perMonth: 50_000 } } },
  providers: {
    sandbox: {
      budget: { monthlyUsd: 3 },
      models: { small: { inputTokensPerDay: 9000, outputTokensPerDay: 9000 } },
    },
  },
  system: { tokensPerDay: 1_000_000, budget: { monthlyUsd: 1 } },
  degrade: [
    { at: 0.8, from: 'complex', to: 'medium' },
    { at: 0.9, from: 'medium', to: 'simple' },
  ],
};
type World = ReturnType<typeof spendWorld>;

async function spend(
  w: World,
  microUsd: number,
  caller: Caller = ann,
): Promise<GatewayError | undefined> {
  try {
    const reply = await w.limits.around(callOf(10, { caller, maxTokens: 10 }), async (call) => {
      await call.hold.cover(small);
      const message = { id: 'm', model: 'small', created: 0, choices: [], usage: usage({}) };
      return ChatReply.message(message, {
        bill: { usage: usage({ input: 10, output: 5 }), costMicroUsd: microUsd },
      });
    });
    reply.take();
    return undefined;
  } catch (error) {
    return error as GatewayError;
  }
}
const idle = (w: World) => w.deferred.drain(2000);

let receiver: Server | undefined;
afterEach(() => {
  receiver?.close();
});

describe('budget alerts', () => {
  it('fire once for each threshold, scope and period, however often it is passed', async () => {
    const w = spendWorld({ policies: POLICIES });
    for (let i = 0; i < 4; i++) await spend(w, 190_000, root);
    await idle(w);
    const system = w.alerts.stored.filter((alert) => alert.scope === 'system');
    expect(system.map((alert) => alert.threshold)).toEqual([0.5, 0.75]);
    expect(system[0]).toMatchObject({
      unit: 'micro_usd',
      period: '2026-01',
      limit: 1_000_000,
      spent: 570_000,
    });
    w.clock.set(Date.UTC(2026, 1, 1));
    await spend(w, 600_000, root);
    await idle(w);
    expect(w.alerts.stored.filter((alert) => alert.period === '2026-02')).toHaveLength(1);
    expect(await w.metrics.registry.metrics()).toContain(
      'sluice_budget_alerts_total{threshold="0.5"} 2',
    );
  });

  it('are tried again when they could not be stored', async () => {
    const w = spendWorld({ policies: POLICIES });
    w.alerts.failing = true;
    await spend(w, 600_000, root);
    await idle(w);
    w.alerts.failing = false;
    await w.upkeep.look();
    await idle(w);
    expect(w.alerts.stored.map((alert) => alert.threshold)).toEqual([0.5]);
  });

  it('go to the webhook until it takes them', async () => {
    const codes = [500, 204];
    let hits = 0;
    receiver = createServer((_request, response) => {
      response.writeHead(codes[hits++] ?? 204).end();
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    const webhook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
    const w = spendWorld({ policies: { ...POLICIES, alerts: { webhook, webhookSecret: 's' } } });
    await spend(w, 600_000, root);
    await idle(w);
    expect(w.alerts.stored[0]?.deliveredAt).toBeUndefined();
    await w.upkeep.look();
    expect(w.alerts.stored[0]?.deliveredAt).toBeDefined();
    await w.upkeep.look();
    expect(hits).toBe(2);
  });
});

describe('the emergency switch', () => {
  it('stops everybody but administrators when the system has spent its share', async () => {
    const w = spendWorld({ policies: POLICIES });
    await spend(w, 960_000, root);
    const refused = await spend(w, 1);
    expect(refused).toMatchObject({
      code: 'emergency_shutdown',
      shouldRetry: false,
      retryAfterMs: undefined,
    });
    expect(await spend(w, 1, root)).toBeUndefined();
    await w.emergency.resume(w.book);
    expect(await spend(w, 1)).toBeUndefined();
    w.clock.set(Date.UTC(2026, 1, 1));
    await spend(w, 960_000, root);
    expect((await spend(w, 1))?.code).toBe('emergency_shutdown');
  });

  it('is noticed by a process that has just started, by its first call', async () => {
    const bank = new MemoryBank();
    const first = spendWorld({ policies: POLICIES, bank });
    await spend(first, 960_000, root);
    await first.engine.stop();
    const second = spendWorld({ policies: POLICIES, bank });
    expect((await spend(second, 1))?.code).toBe('emergency_shutdown');
    expect(second.engine.live).toBe(0);
    const third = spendWorld({ policies: POLICIES, bank });
    await spend(third, 39_000, root);
    await third.engine.stop();
    const full = spendWorld({ policies: POLICIES, bank });
    expect((await spend(full, 40_000))?.code).toBe('emergency_shutdown');
  });

  it('can be thrown by hand, reaches other replicas, and needs no database to hold', async () => {
    const w = spendWorld({ policies: POLICIES });
    await w.emergency.shutDown();
    expect((await spend(w, 1))?.code).toBe('emergency_shutdown');
    expect(await w.metrics.registry.metrics()).toContain(
      'sluice_limit_rejections_total{limit="emergency"} 1',
    );
    w.control.failing = true;
    await w.emergency.refresh();
    expect(w.emergency.manual).toBe(true);
    w.control.failing = false;
    w.control.control = { shutDown: false, waived: [] };
    await w.emergency.refresh();
    expect(await spend(w, 1)).toBeUndefined();
  });
});

describe('what is shown', () => {
  it('is what is enforced: limit, spent, held, left, reset and projection of every scope', async () => {
    const w = spendWorld({ policies: POLICIES });
    await spend(w, 100);
    const all = await w.view.all();
    expect(all.map((s) => `${s.scope} ${s.unit} ${s.span} ${s.spent}`).sort()).toEqual([
      'model:small input_tokens day 10',
      'model:small output_tokens day 5',
      'provider:sandbox micro_usd month 100',
      'system micro_usd month 100',
      'system tokens day 15',
      'tenant:acme tokens month 15',
      'tier:free micro_usd day 100',
    ]);
    const [mine] = await w.view.ofCaller(ann);
    // Noon: as much again until the day's end.
    expect(mine).toMatchObject({ scope: 'caller:acme/ann', left: 9985, held: 0, projected: 30 });
    expect(mine?.resetsAt).toBe(Date.UTC(2026, 0, 16));
    expect(await w.view.ofCaller(root)).toEqual([]);
  });

  it('names limits also where no tier is configured', async () => {
    const w = spendWorld({ policies: { system: { tokensPerDay: 5 } } });
    expect(await w.view.all()).toHaveLength(1);
  });

  it('tells callers of their tokens in the headers of their SDK', async () => {
    const w = spendWorld({ policies: POLICIES });
    expect(w.headers.of(ann, { anthropic: false })).toEqual({
      'x-ratelimit-limit-tokens': '10000',
      'x-ratelimit-remaining-tokens': '10000',
      'x-ratelimit-reset-tokens': '12h0m0s',
    });
    await spend(w, 1);
    w.clock.set(Date.UTC(2026, 0, 15, 23, 58, 30));
    expect(w.headers.of(ann, { anthropic: true })).toMatchObject({
      'x-ratelimit-remaining-tokens': '9985',
      'x-ratelimit-reset-tokens': '1m30s',
      'anthropic-ratelimit-tokens-remaining': '9985',
      'anthropic-ratelimit-tokens-reset': '2026-01-16T00:00:00Z',
    });
    w.clock.set(Date.UTC(2026, 0, 15, 23, 59, 59));
    expect(w.headers.of(ann, { anthropic: false })['x-ratelimit-reset-tokens']).toBe('1s');
    expect(w.headers.of(root, { anthropic: false })).toEqual({});
  });

  it('appears in the metrics by scope', async () => {
    const w = spendWorld({ policies: POLICIES });
    await spend(w, 250_000, root);
    const metrics = await w.metrics.registry.metrics();
    expect(metrics).toContain('sluice_budget_spent_ratio{scope="system"} 0.25');
    expect(metrics).not.toContain('caller:');
    expect(metrics).toContain('sluice_tokens_reserved 0');
  });

  it('projects nothing from the first moments of a period', () => {
    const day = periodAt('day', Date.UTC(2026, 0, 15));
    expect(projectedEnd(100, day, day.startMs + 60_000)).toBe(100);
    expect(projectedEnd(100, day, day.startMs + 6 * 3_600_000)).toBe(400);
  });
});

describe('degradation', () => {
  it('moves new calls to cheaper grades as a budget runs low', async () => {
    const w = spendWorld({ policies: POLICIES });
    expect(w.advice.gradeFor(ann, 'complex')).toBe('complex');
    expect(w.advice.gradeCeiling(ann)).toBeUndefined();
    await spend(w, 850_000, root);
    expect(w.advice.gradeFor(ann, 'complex')).toBe('medium');
    expect(w.advice.gradeFor(ann, 'simple')).toBe('simple');
    await spend(w, 60_000, root);
    expect(w.advice.gradeCeiling(ann)).toBe('simple');
    w.reload({ tiers: { free: {} } });
    expect(w.advice.gradeFor(ann, 'complex')).toBe('complex');
  });
});

describe('a reload of the policies', () => {
  it('drops no reservation, and a limit below what is spent refuses and breaks nothing', async () => {
    const w = spendWorld({ policies: POLICIES });
    await spend(w, 1000);
    const held = await w.limits.around(callOf(10, { maxTokens: 100 }), async (call) => {
      await call.hold.cover(small);
      w.reload({ ...POLICIES, tiers: { free: { tokens: { perDay: 12 } } } });
      const message = { id: 'm', model: 'small', created: 0, choices: [], usage: usage({}) };
      return ChatReply.message(message, {
        bill: { usage: usage({ input: 10, output: 20 }), costMicroUsd: 50 },
      });
    });
    expect(await spend(w, 1)).toMatchObject({ code: 'token_limit', shouldRetry: false });
    held.take();
    expect(await w.standing('caller:acme/ann')).toEqual({ 'tokens/day': [45, 0] });
    w.reload(POLICIES);
    expect(await spend(w, 1)).toBeUndefined();
  });
});

describe('leases', () => {
  it('of a call that lives are renewed; of one that is silent for long they end', async () => {
    const w = spendWorld({ policies: POLICIES });
    w.upkeep.start().catch(() => undefined);
    const reply = await w.limits.around(callOf(10, { maxTokens: 100 }), async (call) => {
      await call.hold.cover(small);
      const message = { id: 'm', model: 'small', created: 0, choices: [], usage: usage({}) };
      return ChatReply.message(message, {
        bill: { usage: usage({ input: 10 }), costMicroUsd: 10 },
      });
    });
    w.clock.advance(29_000);
    await w.engine.renew();
    w.clock.advance(29_000);
    await w.engine.sweep();
    expect(await w.standing('caller:acme/ann')).toEqual({ 'tokens/day': [0, 110] });
    w.clock.advance(6 * 60_000);
    await w.engine.renew();
    await w.engine.sweep();
    expect(await w.standing('caller:acme/ann')).toEqual({ 'tokens/day': [110, 0] });
    reply.take();
    expect(await w.standing('caller:acme/ann')).toEqual({ 'tokens/day': [10, 0] });
    await w.upkeep.stop();
  });
});
