import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ManualClock } from '@sluice/kernel';
import { writeRateHeaders } from './rate-headers.js';
import type { RateVerdict } from './rate-window.js';
import { MemoryRateStore } from './stores/memory-rate.store.js';
import { windows } from '../testing/windows.js';

/** The header blocks of the page for API consumers, in their order. */
const examples = [
  ...readFileSync(join(import.meta.dirname, '../../../docs/api/rate-limits.md'), 'utf8').matchAll(
    /```http\n([^`]*)```/g,
  ),
].map((match) =>
  Object.fromEntries(
    (match[1] ?? '')
      .trim()
      .split('\n')
      .map((line) => line.split(': ', 2)),
  ),
);

function headersOf(verdict: RateVerdict, anthropic = false): Record<string, string> {
  const headers: Record<string, string> = {};
  const sink = {
    header: (name: string, value: string | number) => (headers[name] = String(value)),
  };
  writeRateHeaders(sink, verdict, { anthropic, nowMs: Date.UTC(2026, 0, 1) });
  return headers;
}

describe('the examples of docs/api/rate-limits.md', () => {
  const clock = new ManualClock();
  const store = new MemoryRateStore(clock);
  const free = windows(20, 100);

  it('show the headers of a first request', () => {
    const verdict = store.decide('t/doc', free);
    expect(headersOf(verdict)).toEqual(examples[0]);
    expect(headersOf(verdict, true)).toMatchObject(examples[1] ?? {});
  });

  it('show the exact time of a refusal', () => {
    for (let i = 0; i < 20; i++) store.decide('t/burst', free);
    clock.advance(10_000);
    const refused = store.decide('t/burst', free);
    const { 'retry-after': retryAfter, ...headers } = examples[2] ?? {};
    expect(String(refused.retryAfterMs / 1000)).toBe(retryAfter);
    expect(headersOf(refused)).toMatchObject(headers);
    clock.advance(49_000);
    expect(store.decide('t/burst', free).allowed).toBe(false);
    clock.advance(1000);
    expect(store.decide('t/burst', free).allowed).toBe(true);
  });
});
