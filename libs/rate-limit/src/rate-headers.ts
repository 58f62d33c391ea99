import { tightest, type RateVerdict } from './rate-window.js';

/** What the headers are written to: a Fastify reply. */
export interface HeaderSink {
  header(name: string, value: string | number): unknown;
}

/**
 * Writes the limits of interface and SDK conventions. With two windows they tell of the one that lets the fewest
 * requests through now; on a refusal, of the one that refused longest.
 */
export function writeRateHeaders(
  sink: HeaderSink,
  verdict: RateVerdict,
  options: { readonly anthropic: boolean; readonly nowMs: number },
): void {
  if (verdict.degraded) sink.header('x-sluice-limits', 'degraded');
  const state = tightest(verdict.states);
  if (state === undefined) return;
  const { limit } = state.window;
  const reset = Math.ceil(state.resetMs / 1000);
  sink.header('x-ratelimit-limit', limit);
  sink.header('x-ratelimit-remaining', state.remaining);
  sink.header('x-ratelimit-reset', reset);
  sink.header('x-ratelimit-limit-requests', limit);
  sink.header('x-ratelimit-remaining-requests', state.remaining);
  sink.header('x-ratelimit-reset-requests', compactDuration(reset));
  if (!options.anthropic) return;
  sink.header('anthropic-ratelimit-requests-limit', limit);
  sink.header('anthropic-ratelimit-requests-remaining', state.remaining);
  sink.header('anthropic-ratelimit-requests-reset', rfc3339(options.nowMs + reset * 1000));
}

/** Seconds as OpenAI writes them: `1s`, `6m0s`, `1h0m0s`. */
export function compactDuration(seconds: number): string {
  const h = Math.floor(seconds / 3600);
  const m = Math.floor((seconds % 3600) / 60);
  const s = seconds % 60;
  if (h > 0) return `${h}h${m}m${s}s`;
  return m > 0 ? `${m}m${s}s` : `${s}s`;
}

/** RFC 3339 in UTC to the second, as Anthropic writes it. */
export function rfc3339(epochMs: number): string {
  return `${new Date(Math.ceil(epochMs / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}
