import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { broken, Storm } from '../../benchmarks/chaos-routing/storm.js';

const RESET_MS = 200;
/** Never opens its breaker, so that every fault is met. */
let patient: Storm;
let guarded: Storm;

beforeAll(async () => {
  [patient, guarded] = await Promise.all([
    Storm.start({ minCalls: 1_000_000, resetMs: RESET_MS }),
    Storm.start({ minCalls: 10, resetMs: RESET_MS }),
  ]);
}, 120_000);
afterAll(() => Promise.all([patient.stop(), guarded.stop()]));

describe('a gateway over one bad and one healthy upstream', () => {
  it('gives streams cut at any byte whole, or says that they are not', async () => {
    // Steps of a prime reach every place of every frame over the frames; the long run takes every byte.
    const report = await patient.everyCut(7, 8);
    expect(broken(report)).toEqual([]);
    expect(report.failedAfterFirstToken).toBeGreaterThan(0);
    expect(report.whole).toBeGreaterThan(report.calls / 4);
  });

  it.each(['500', '429', 'reset', 'hang', 'slow', 'rubbish'] as const)(
    'hides %s from its callers',
    async (fault) => {
      const report = await patient.fault(fault, 12, 12);
      expect(broken(report)).toEqual([]);
      expect(report.whole).toBe(12);
    },
  );

  it('hides a mixture of faults, adds at most a fifth of retries, and charges nothing twice', async () => {
    const report = await guarded.mixed(150, 10, 1);
    expect(broken(report)).toEqual([]);
  });

  it('sends exactly one probe to an upstream that is failing, however many calls come', async () => {
    expect(await guarded.probes(2, 12, RESET_MS)).toEqual([1, 1]);
  });

  it('has a row for every call and no micro-dollar too many in its books', async () => {
    expect(await patient.audit()).toEqual([]);
    expect(await guarded.audit()).toEqual([]);
  });
});
