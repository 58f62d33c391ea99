import { describe, expect, it } from '@jest/globals';
import { FuzzedProvider } from './fuzz.js';
import { GOLDENS } from './golden.js';

/** `npm run fuzz:dialects` is the long run: 10,000 a dialect. */
const CASES = Number(process.env.FUZZ_CASES ?? 300);
/** Says where to begin, to run one failing case again. */
const SEED = Number(process.env.FUZZ_SEED ?? 20_260_101);
const MS_PER_CASE = 100;

describe('damaged answers', () => {
  it.each(GOLDENS.map((one) => [one.name, one] as const))(
    'of %s end in an answer or an error, never in a crash, a leak or silence',
    async (_, one) => {
      const provider = await FuzzedProvider.start(one);
      try {
        const report = await provider.run(CASES, SEED);
        expect(report.completed + report.refused).toBe(CASES);
        expect(report.refused).toBeGreaterThan(CASES / 20);
        expect(report.completed).toBeGreaterThan(CASES / 20);
      } finally {
        await provider.close();
      }
    },
    10_000 + CASES * MS_PER_CASE,
  );
});
