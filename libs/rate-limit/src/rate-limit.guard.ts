import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { ThrottlerStorage } from '@nestjs/throttler';
import { Clock, GatewayError, type Caller } from '@sluice/kernel';
import { writeRateHeaders, type HeaderSink } from './rate-headers.js';
import { RateLimitMetrics } from './rate-limit.metrics.js';
import { RateLimiter } from './rate-limiter.js';
import { tightest, type RateVerdict } from './rate-window.js';
import { UNLIMITED } from './unlimited.decorator.js';

// A CommonJS package that requires Nest 12, which is ESM: it must be loaded after Nest has been evaluated, and a
// static import would be part of the same graph.
const { ThrottlerGuard } = await import('@nestjs/throttler');

/** `retry-after` above this is not waited for by the official SDKs. */
const LONGEST_RETRY_S = 60;

/** What this guard reads of a Fastify request. */
interface LimitedRequest {
  /** Put there by the guard that knows keys; absent on public routes. */
  readonly caller?: Caller;
  readonly ip?: string;
  /** The pattern of the path that matched. */
  readonly route?: string;
}

/**
 * One throttler of `@nestjs/throttler`; what it counts and how is ours. Both windows of a caller are one decision,
 * which a named throttler each cannot give. Its per-key storage is therefore never asked.
 */
const ONE_THROTTLER = { throttlers: [{ ttl: 0, limit: 0 }] };
const NO_STORAGE: ThrottlerStorage = {
  increment: () => Promise.reject(new Error('RateLimitGuard counts in its own RateStore')),
};

@Injectable()
export class RateLimitGuard extends ThrottlerGuard {
  readonly #unlimited = new WeakMap<object, boolean>();

  constructor(
    // Named, because the parent's own @Inject() marks are inherited with its constructor's places.
    @Inject(Reflector) reflector: Reflector,
    @Inject(RateLimiter) private readonly limiter: RateLimiter,
    private readonly metrics: RateLimitMetrics,
    private readonly clock: Clock,
  ) {
    super(ONE_THROTTLER, NO_STORAGE, reflector);
  }

  #isUnlimited(context: ExecutionContext): boolean {
    const handler = context.getHandler();
    let skip = this.#unlimited.get(handler);
    if (skip === undefined) {
      const targets = [handler, context.getClass()];
      skip = this.reflector.getAllAndOverride<boolean | undefined>(UNLIMITED, targets) === true;
      this.#unlimited.set(handler, skip);
    }
    return skip;
  }

  /**
   * In place of the parent's loop over throttlers, which reads seven marks and waits seven times per request.
   * @throws GatewayError rate_limited with the exact time to wait; forbidden for an unknown tier
   */
  override async canActivate(context: ExecutionContext): Promise<boolean> {
    if (this.#isUnlimited(context)) return true;
    const http = context.switchToHttp();
    const request = http.getRequest<LimitedRequest>();
    // A route that asks for no caller is public (health, metrics, docs): nobody to count for.
    if (request.caller === undefined) return true;
    const { route = '' } = request;
    const decision = this.limiter.decide({ caller: request.caller, route, client: request });
    if (decision === undefined) return true;
    const verdict = decision instanceof Promise ? await decision : decision;
    this.metrics.degraded(verdict.degraded);
    writeRateHeaders(http.getResponse<HeaderSink>(), verdict, {
      anthropic: route.startsWith('/v1/messages'),
      nowMs: this.clock.now(),
    });
    if (!verdict.allowed) throw this.#refusal(verdict);
    return true;
  }

  #refusal(verdict: RateVerdict): GatewayError {
    const window = tightest(verdict.states)?.window;
    this.metrics.rejected(window?.name ?? 'hour');
    const seconds = Math.ceil(verdict.retryAfterMs / 1000);
    return new GatewayError(
      'rate_limited',
      `Rate limit reached: ${window?.limit ?? 0} requests per ${window?.name ?? 'hour'}. Try again in ${seconds} s.`,
      {
        retryAfterMs: verdict.retryAfterMs,
        // openai-node takes no longer wait and comes back within seconds, each time to be refused.
        shouldRetry: seconds <= LONGEST_RETRY_S,
        facts: { limit: `requests_${window?.name ?? 'hour'}` },
      },
    );
  }
}
