import { GatewayError, type Settlement } from '@sluice/kernel';
import type { HealthOutcome } from './circuit.breaker.js';

/** What a failure says about the upstream's health: its own faults count, ours, the caller's and a 429 do not. */
export function healthOf(error: GatewayError): HealthOutcome {
  if (error.upstream !== undefined) return error.upstream.status >= 500 ? 'failure' : 'neutral';
  return error.code === 'upstream_error' || error.code === 'upstream_timeout'
    ? 'failure'
    : 'neutral';
}

/** A whole message is a success whatever becomes of it; a stream is judged by its end. */
export function healthAfter(
  settlement: Settlement,
  kind: 'message' | 'stream' | undefined,
): HealthOutcome {
  if (settlement.kind === 'refused') {
    return settlement.error instanceof GatewayError ? healthOf(settlement.error) : 'neutral';
  }
  if (kind === 'message' || settlement.end.outcome === 'completed') return 'success';
  return settlement.end.error === undefined ? 'neutral' : healthOf(settlement.end.error);
}

/** Worth trying at another target. A request that its upstream calls wrong is wrong everywhere. */
export function mayFallOver(error: GatewayError): boolean {
  if (error.code === 'client_closed') return false;
  const faulty = error.code === 'invalid_request' || error.code === 'unprocessable';
  return !faulty || error.upstream === undefined;
}

/** Worth trying once more at the same target, after a moment. */
export function mayRepeat(error: GatewayError): boolean {
  if (error.code === 'rate_limited') return (error.retryAfterMs ?? 0) <= LONGEST_WAIT_MS;
  return error.code === 'conflict' || healthOf(error) === 'failure';
}

/** A repeat waits at most so long for an upstream that says when to come back. */
const LONGEST_WAIT_MS = 2_000;
const FIRST_BACKOFF_MS = 100;

/** Full jitter: callers that failed together must not come back together. */
export function backoffMs(repeats: number, error: GatewayError, random: number): number {
  const spread = random * Math.min(FIRST_BACKOFF_MS * 2 ** (repeats - 1), LONGEST_WAIT_MS);
  return (error.code === 'rate_limited' ? (error.retryAfterMs ?? 0) : 0) + spread;
}
