import { describe, expect, it } from '@jest/globals';
import { ANSWERS, fuzz } from './fuzz.js';

/** FUZZ_CASES=10000 is the long run. */
const CASES = Number(process.env.FUZZ_CASES ?? 1000);

describe('damaged answers', () => {
  it.each(ANSWERS.map((answer) => [answer.dialect, answer] as const))(
    'of %s end in an answer or an error, never in a crash or in silence',
    (_, answer) => {
      const report = fuzz(answer, CASES, 20260101);
      expect(report.completed + report.refused).toBe(CASES);
      expect(report.refused).toBeGreaterThan(CASES / 20);
      expect(report.completed).toBeGreaterThan(CASES / 20);
    },
  );
});
