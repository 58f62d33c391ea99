import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { ConfigStore } from '@sluice/config';
import { policiesSchema } from '@sluice/config';
import { SystemClock } from '@sluice/kernel';
import { Metrics, SilentLogger } from '@sluice/observability';
import { MemoryOverrides } from '../../libs/rate-limit/testing/memory-overrides.js';
import { AuditTrail } from '../../libs/rate-limit/src/audit-trail.port.js';
import { RateOverrides } from '../../libs/rate-limit/src/overrides/rate-overrides.js';
import { writeRateHeaders, type HeaderSink } from '../../libs/rate-limit/src/rate-headers.js';
import { RateLimitGuard } from '../../libs/rate-limit/src/rate-limit.guard.js';
import { RateLimitMetrics } from '../../libs/rate-limit/src/rate-limit.metrics.js';
import { RateLimiter, type RateRequest } from '../../libs/rate-limit/src/rate-limiter.js';
import { MemoryRateStore } from '../../libs/rate-limit/src/stores/memory-rate.store.js';

class NoAudit extends AuditTrail {
  async record(): Promise<void> {
    // Nothing is set here.
  }
}

/** The same limiter behind a guard that owes nothing to @nestjs/throttler. */
class PlainGuard implements CanActivate {
  constructor(private readonly limiter: RateLimiter) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<RateRequest>();
    const decision = this.limiter.decide({
      caller: request.caller,
      route: '/v1/chat/completions',
      client: { ip: '127.0.0.1' },
    });
    const verdict = decision instanceof Promise ? await decision : decision;
    if (verdict !== undefined) {
      writeRateHeaders(http.getResponse<HeaderSink>(), verdict, { anthropic: false, nowMs: 0 });
    }
    return verdict?.allowed ?? true;
  }
}

/** Both guards over one store in process, and the context of a request of the n-th caller. */
export async function guards() {
  const policies = policiesSchema.parse({
    tiers: { paid: { requests: { perHour: 1000, burstPerMinute: 100 } } },
  });
  const config = {
    env: { rateLimits: {}, RATE_LIMIT_ALLOWLIST: [] },
    current: { policies },
  } as unknown as ConfigStore;
  const clock = new SystemClock();
  const overrides = new RateOverrides(
    new MemoryOverrides(),
    new NoAudit(),
    clock,
    new SilentLogger(),
  );
  const limiter = new RateLimiter(config, new MemoryRateStore(clock), overrides);
  const throttled = new RateLimitGuard(
    new Reflector(),
    limiter,
    new RateLimitMetrics(new Metrics()),
    clock,
  );
  await throttled.onModuleInit();
  class Route {
    handle(): void {
      // Only its identity matters.
    }
  }
  const handler = (): void => undefined;
  const sink: HeaderSink = { header: () => sink };
  const context = (n: number) => {
    const caller = {
      tenant: 'default',
      id: `c${n % 50_000}`,
      kind: 'key',
      tier: 'paid',
      scopes: [],
    };
    const request = { caller, ip: '127.0.0.1', routeOptions: { url: '/v1/chat/completions' } };
    return {
      getHandler: () => handler,
      getClass: () => Route,
      switchToHttp: () => ({ getRequest: () => request, getResponse: () => sink }),
    } as unknown as ExecutionContext;
  };
  return { throttled, plain: new PlainGuard(limiter), context };
}
