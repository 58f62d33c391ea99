import { describe, expect, it } from '@jest/globals';
import { answer } from '../../testing/cache-calls.js';
import { compareAnswers, type Comparison } from './answer-comparison.js';

const code = (text: string): string => `Here:\n\`\`\`js\n${text}\n\`\`\``;

describe('compareAnswers', () => {
  it.each<[Comparison, string, string]>([
    ['same', 'A lock keeps others out.', 'a lock keeps others out'],
    ['same', 'The capital of France is Paris.', 'Paris is the capital of France.'],
    ['same', code('a = 1;'), code('a = 1 ;')],
    ['different', 'The answer is 42.', 'The answer is 41.'],
    ['different', code('a = 1;'), code('b = 1;')],
    ['different', `${code('a')} and more`, 'a'],
    ['different', 'Use "open" here.', 'Use "close" here.'],
    ['different', 'A lock keeps others out.', 'Bananas grow in warm countries.'],
    ['different', 'Call 555 for help, day 7', 'Call 556 for help, day 7'],
    ['same', 'It has 3 gears.', 'It has 3 gears, all of steel.'],
  ])('says %s of %j and %j', (expected, a, b) => {
    expect(compareAnswers(answer(a), answer(b))).toBe(expected);
    expect(compareAnswers(answer(b), answer(a))).toBe(expected);
  });

  it('leaves to a judge what words alone cannot tell', () => {
    const a = 'You can freeze the card in the app under security settings.';
    const b = 'Open the app and choose security; there the card can be blocked by you.';
    expect(compareAnswers(answer(a), answer(b))).toBe('unknown');
  });

  it('takes a number that only the longer answer tells for detail', () => {
    const a = 'Water boils when it is hot enough.';
    const b = 'Water boils when it is hot enough, at 100 degrees.';
    expect(compareAnswers(answer(a), answer(b))).not.toBe('different');
  });
});
