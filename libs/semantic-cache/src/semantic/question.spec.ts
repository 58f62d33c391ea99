import { describe, expect, it } from '@jest/globals';
import { chatCall } from '../../testing/cache-calls.js';
import { NumberTwins } from './number-twins.js';
import { questionOf, type Question } from './question.js';

function ask(content: string, scope = 's'): Question {
  return questionOf(chatCall({ messages: [{ role: 'user', content }] }), scope, 'k', 1);
}
const HOTEL = 'Which hotels in Oslo have a pool?';

describe('questionOf', () => {
  it.each([
    ['another number', 'What is 15% of 200?', 'What is 18% of 200?', false],
    ['one number more', 'What is the tax on 200?', 'What is the tax on 200 in 2024?', false],
    ['a number against none', 'Name rivers in Peru', 'Name 3 rivers in Peru', false],
    ['another spelling', 'Is $5,000 a lot?', 'is 5000 much?', true],
    ['a number in words', 'Name three rivers', 'Tell me 3 streams', true],
    ['another order', 'Add 3 to 8', 'Add 8 to 3', true],
    ['no numbers', HOTEL, 'Who painted this?', true],
  ])('compares texts of equal numbers only: %s', (_name, one, other, equal) => {
    expect(ask(one).fingerprint === ask(other).fingerprint).toBe(equal);
  });
});

describe('NumberTwins', () => {
  it('knows a question that was stored with other numbers', () => {
    const twins = new NumberTwins();
    twins.note(ask('Which hotels in Oslo have 4 stars?'));
    expect(twins.has(ask('which hotels in oslo have 5 stars'))).toBe(true);
    expect(twins.has(ask('Which hotels in Oslo have four stars?'))).toBe(false);
    expect(twins.has(ask('Which hotels in Bergen have 5 stars?'))).toBe(false);
    expect(twins.has(ask('Which hotels in Oslo have 5 stars?', 'another scope'))).toBe(false);
    twins.clear();
    expect(twins.has(ask('Which hotels in Oslo have 5 stars?'))).toBe(false);
  });

  it('keeps out of questions without numbers', () => {
    const twins = new NumberTwins();
    twins.note(ask(HOTEL));
    expect(twins.has(ask(HOTEL))).toBe(false);
  });
});
