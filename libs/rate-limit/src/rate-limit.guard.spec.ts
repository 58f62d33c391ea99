import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Post, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  policiesSchema,
  type ConfigSnapshot,
  type ConfigStore,
  type PoliciesConfigInput,
} from '@sluice/config';
import { GatewayError, ManualClock, type Caller } from '@sluice/kernel';
import { Metrics, SilentLogger } from '@sluice/observability';
import { MemoryOverrides } from '../testing/memory-overrides.js';
import { AuditTrail, type AuditDeed } from './audit-trail.port.js';
import { RateOverrides } from './overrides/rate-overrides.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimitMetrics } from './rate-limit.metrics.js';
import { RateLimiter } from './rate-limiter.js';
import { MemoryRateStore } from './stores/memory-rate.store.js';
import { Unlimited } from './unlimited.decorator.js';

const alice: Caller = {
  tenant: 'default',
  id: 'alice',
  kind: 'key',
  tier: 'free',
  scopes: [],
  keyId: 'k1',
};
const admin: Caller = { ...alice, id: 'root', tier: 'admin', scopes: ['admin'] };
const TIERS: PoliciesConfigInput = {
  tiers: {
    free: {
      requests: { perHour: 6, burstPerMinute: 3 },
      routes: {
        '/v1/embeddings': { requests: { perHour: 2 } },
        '/open': { requests: 'unlimited' },
      },
    },
    'team-a': { requests: 'unlimited' },
    admin: {},
  },
};

function world(env: Partial<ConfigStore['env']> = {}) {
  const clock = new ManualClock();
  const snapshot = (policies: PoliciesConfigInput) =>
    ({
      version: 1,
      loadedAt: new Date(),
      policies: policiesSchema.parse(policies),
    }) as ConfigSnapshot;
  const config = {
    env: { rateLimits: {}, RATE_LIMIT_ALLOWLIST: [], ...env },
    current: snapshot(TIERS),
  };
  const deeds: AuditDeed[] = [];
  const repository = new MemoryOverrides();
  class Audit extends AuditTrail {
    async record(deed: AuditDeed): Promise<void> {
      deeds.push(deed);
    }
  }
  const overrides = new RateOverrides(repository, new Audit(), clock, new SilentLogger());
  const metrics = new Metrics();
  const limiter = new RateLimiter(
    config as unknown as ConfigStore,
    new MemoryRateStore(clock),
    overrides,
  );
  const guard = new RateLimitGuard(new Reflector(), limiter, new RateLimitMetrics(metrics), clock);
  return { clock, config, snapshot, deeds, repository, overrides, metrics, guard };
}

const request = (caller: Caller | undefined, url = '/v1/chat/completions', ip = '9.9.9.9') => {
  const headers: Record<string, string> = {};
  class Route {
    handle = () => undefined;
  }
  const context = {
    getHandler: () => Route.prototype.constructor,
    getClass: () => Route,
    switchToHttp: () => ({
      getRequest: () => ({ caller, ip, route: url }),
      getResponse: () => ({
        header: (name: string, value: string | number) => (headers[name] = String(value)),
      }),
    }),
  } as unknown as ExecutionContext;
  return { context, headers };
};

async function ask(w: ReturnType<typeof world>, ...args: Parameters<typeof request>) {
  const { context, headers } = request(...args);
  try {
    await w.guard.onModuleInit();
    await w.guard.canActivate(context);
    return { headers, refused: undefined };
  } catch (error) {
    if (error instanceof GatewayError) return { headers, refused: error };
    throw error;
  }
}

describe('the rate limit guard', () => {
  it('tells SDKs not to try again by themselves when the hour is used up', async () => {
    const w = world();
    for (let i = 0; i < 6; i++) {
      expect((await ask(w, alice)).refused).toBeUndefined();
      w.clock.advance(60_000);
    }
    const { refused } = await ask(w, alice);
    expect(refused?.retryAfterMs).toBeGreaterThan(60_000);
    expect(refused?.shouldRetry).toBe(false);
  });

  it('lets a burst through, then refuses with the exact time and all headers', async () => {
    const w = world();
    const first = await ask(w, alice);
    expect(first.headers).toEqual({
      'x-ratelimit-limit': '3',
      'x-ratelimit-remaining': '2',
      'x-ratelimit-reset': '60',
      'x-ratelimit-limit-requests': '3',
      'x-ratelimit-remaining-requests': '2',
      'x-ratelimit-reset-requests': '1m0s',
    });
    w.clock.advance(10_000);
    await ask(w, alice);
    await ask(w, alice);
    const { refused, headers } = await ask(w, alice);
    expect(refused).toMatchObject({
      code: 'rate_limited',
      retryAfterMs: 50_000,
      shouldRetry: true,
    });
    expect(headers['x-ratelimit-remaining']).toBe('0');
    w.clock.advance(49_999);
    expect((await ask(w, alice)).refused?.retryAfterMs).toBe(1);
    w.clock.advance(1);
    expect((await ask(w, alice)).refused).toBeUndefined();
    expect(await w.metrics.registry.metrics()).toContain(
      'sluice_limit_rejections_total{limit="requests_minute"} 2',
    );
  });

  it('tells of the hour once that lets fewer through', async () => {
    const w = world();
    for (let i = 0; i < 6; i++) {
      expect((await ask(w, alice)).refused).toBeUndefined();
      w.clock.advance(30_000);
    }
    const { refused, headers } = await ask(w, alice);
    expect(refused?.message).toContain('6 requests per hour');
    expect(headers['x-ratelimit-limit']).toBe('6');
    expect(headers['x-ratelimit-reset-requests']).toBe('59m30s');
  });

  it('writes the Anthropic headers on their routes', async () => {
    const { headers } = await ask(world(), alice, '/v1/messages');
    expect(headers['anthropic-ratelimit-requests-limit']).toBe('3');
    expect(headers['anthropic-ratelimit-requests-remaining']).toBe('2');
    expect(headers['anthropic-ratelimit-requests-reset']).toBe('2026-01-01T00:01:00Z');
  });

  it('never limits administrators, public routes, unlimited tiers or allow-listed addresses', async () => {
    const w = world({ RATE_LIMIT_ALLOWLIST: ['10.0.0.0/8', '::1', '2001:db8::/32', 'rubbish'] });
    const free: Parameters<typeof request>[] = [
      [admin],
      [undefined],
      [{ ...alice, tier: 'team-a' }],
      [alice, '/open'],
      [alice, '/x', '10.1.2.3'],
      [alice, '/x', '::ffff:10.1.2.3'],
      [alice, '/x', '::1'],
      [alice, '/x', '2001:db8::7'],
    ];
    for (const args of free) {
      for (let i = 0; i < 8; i++)
        expect(await ask(w, ...args)).toEqual({ headers: {}, refused: undefined });
    }
    expect((await ask(w, alice, '/x', '11.0.0.1')).headers['x-ratelimit-remaining']).toBe('2');
    expect((await ask(w, alice, '/x', 'nonsense')).headers['x-ratelimit-remaining']).toBe('1');
  });

  it('counts a route with limits of its own apart', async () => {
    const w = world();
    expect((await ask(w, alice, '/v1/embeddings')).headers['x-ratelimit-limit']).toBe('2');
    await ask(w, alice, '/v1/embeddings');
    expect((await ask(w, alice, '/v1/embeddings')).refused?.code).toBe('rate_limited');
    expect((await ask(w, alice)).headers['x-ratelimit-remaining']).toBe('2');
  });

  it('refuses a tier that is not configured, by name', async () => {
    const { refused } = await ask(world(), { ...alice, tier: 'gold' });
    expect(refused).toMatchObject({ code: 'forbidden', shouldRetry: false });
    expect(refused?.message).toContain('"gold"');
    expect((await ask(world(), { ...alice, tier: 'constructor' })).refused?.code).toBe('forbidden');
  });

  it('takes the limits of the environment over those of the file', async () => {
    const w = world({ rateLimits: { free: { perHour: 2 }, team_a: { burstPerMinute: 1 } } });
    await ask(w, alice);
    await ask(w, alice);
    expect((await ask(w, alice)).refused?.facts).toEqual({ limit: 'requests_hour' });
    const team = { ...alice, id: 'bob', tier: 'team-a' };
    expect((await ask(w, team)).refused).toBeUndefined();
    expect((await ask(w, team)).refused?.facts).toEqual({ limit: 'requests_minute' });
  });

  it('follows a reload of the policies', async () => {
    const w = world();
    await ask(w, alice);
    w.config.current = w.snapshot({ tiers: { free: { requests: { perHour: 1 } } } });
    expect((await ask(w, alice)).refused?.code).toBe('rate_limited');
  });

  it('counts ids of any length and content', async () => {
    const w = world();
    for (const id of ['x'.repeat(65_536), '}{}{', 'ip:2001:db8::/64']) {
      for (let i = 0; i < 3; i++) expect((await ask(w, { ...alice, id })).refused).toBeUndefined();
      expect((await ask(w, { ...alice, id })).refused?.code).toBe('rate_limited');
    }
  });
});

describe('an emergency override', () => {
  it('replaces the limit of a caller until it expires, and leaves an audit row', async () => {
    const w = world();
    const until = w.clock.now() + 60_000;
    await w.overrides.set({ subject: 'alice', until, perHour: 1 }, admin);
    expect((await ask(w, alice)).headers['x-ratelimit-limit']).toBe('1');
    expect((await ask(w, alice)).refused?.code).toBe('rate_limited');
    await w.overrides.set({ subject: 'default/alice', until, perHour: 'unlimited' }, admin);
    expect(await ask(w, alice)).toEqual({ headers: {}, refused: undefined });
    w.clock.advance(60_000);
    await w.overrides.refresh();
    expect((await ask(w, alice)).headers['x-ratelimit-limit']).toBe('3');
    expect(w.deeds[0]).toEqual({
      actor: 'default/root',
      action: 'rate_limit.override',
      subject: 'alice',
      details: { until: '2026-01-01T00:01:00.000Z', per_hour: 1 },
    });
  });

  it('may name an API key, and holds while the database is away', async () => {
    const w = world();
    await w.overrides.start();
    w.overrides.stop();
    await w.overrides.set(
      { subject: 'k1', until: w.clock.now() + 1000, perHour: 'unlimited' },
      admin,
    );
    w.repository.failing = true;
    await w.overrides.refresh();
    expect(await ask(w, alice)).toEqual({ headers: {}, refused: undefined });
  });

  it('refuses a subject that names nobody', async () => {
    const w = world();
    const override = { until: 0, perHour: 1 };
    await expect(w.overrides.set({ ...override, subject: '' }, admin)).rejects.toThrow('subject');
    await expect(w.overrides.set({ ...override, subject: 'x'.repeat(301) }, admin)).rejects.toThrow(
      'subject',
    );
  });
});

describe('the guard behind Nest and Fastify', () => {
  let app: NestFastifyApplication | undefined;
  afterEach(async () => {
    await app?.close();
    app = undefined;
  });

  it('guards routes but those marked unlimited, and sends its headers', async () => {
    @Controller()
    class Routes {
      @Post('limited') limited() {
        return { ok: true };
      }
      @Get('health') @Unlimited() health() {
        return { ok: true };
      }
    }
    const w = world();
    const module = await Test.createTestingModule({ controllers: [Routes] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
    await w.guard.onModuleInit();
    app.useGlobalGuards(w.guard);
    app
      .getHttpAdapter()
      .getInstance()
      .addHook('onRequest', async (req) => {
        Object.assign(req, { caller: alice });
      });
    await app.init();
    const answer = await app.inject({ method: 'POST', url: '/limited' });
    expect(answer.headers['x-ratelimit-remaining']).toBe('2');
    const health = await app.inject({ method: 'GET', url: '/health' });
    expect(health.headers['x-ratelimit-remaining']).toBeUndefined();
    expect(
      (await app.inject({ method: 'POST', url: '/limited' })).headers['x-ratelimit-remaining'],
    ).toBe('1');
  });
});
