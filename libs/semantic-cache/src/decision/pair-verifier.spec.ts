import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { judge, readingOf } from './decision.js';
import { isTypo } from './pair-features.js';
import { verify } from './pair-verifier.js';
import { read } from './reading.js';

const score = (a: string, b: string, cosine = 0.8, kind: 'lexical' | 'dense' = 'lexical'): number =>
  verify(read(a), read(b), cosine, kind);

describe('verify', () => {
  it('is sure of equal texts, and of those that differ only in case, marks and manners', () => {
    expect(score('What is a lock?', 'What is a lock?', 0)).toBe(1);
    expect(score('What is a lock?', 'please, what\u2019s a LOCK', 0)).toBe(0.99);
    expect(score('Can you tell me what a lock is', 'tell me what a lock is please', 0)).toBe(0.99);
  });

  it('does not take texts without a word for repeats of one another', () => {
    for (const [a, b] of [
      ['hello', 'please'],
      ['???', '!!!'],
      ['\u{1F600}', '\u{1F621}'],
    ] as const) {
      expect(score(a, b, 1)).toBeLessThan(0.99);
    }
  });

  it('reads the vowel signs of scripts that write them as marks', () => {
    // "What is a day?" and "What is a gift?" in Hindi.
    const tail = ' \u0915\u094d\u092f\u093e \u0939\u0948';
    expect(score(`\u0926\u093f\u0928${tail}`, `\u0926\u093e\u0928${tail}`, 0.9)).toBeLessThan(0.99);
  });

  it('is never as sure of anything else', () => {
    fc.assert(
      fc.property(
        fc.lorem(),
        fc.lorem(),
        fc.double({ min: -1, max: 1, noNaN: true }),
        (a, b, cosine) => {
          fc.pre(read(a).bare !== read(b).bare);
          for (const kind of ['lexical', 'dense'] as const) {
            const sure = score(a, b, cosine, kind);
            expect(sure).toBeGreaterThanOrEqual(0);
            expect(sure).toBeLessThanOrEqual(0.985);
          }
        },
      ),
    );
  });

  it('prefers a rewording to a sentence with the telling word exchanged', () => {
    const asked = 'How do I activate my new bank card?';
    const reworded = score('How can I activate a new bank card', asked);
    expect(reworded).toBeGreaterThan(score('How do I activate my new fish tank?', asked));
    expect(reworded).toBeGreaterThan(score('What is the capital of France?', asked));
  });

  it('lets a dense cosine lead', () => {
    const [a, b] = ['How do I get my money back?', 'What is the refund procedure?'];
    expect(score(a, b, 0.97, 'dense')).toBeGreaterThan(score(a, b, 0.7, 'dense') + 0.2);
  });
});

describe('judge', () => {
  it('lets no similarity outweigh a veto', () => {
    const found = judge('What is 15% of 200?', 'What is 18% of 200?', 0.999, 'dense');
    expect(found.vetoes).toContain('number');
  });

  it('calls a repeat verbatim and finds nothing against it', () => {
    expect(judge('What is NOT a lock?', 'What is NOT a lock?', 1, 'lexical')).toEqual({
      score: 1,
      verbatim: true,
      vetoes: [],
    });
    expect(judge('what is a lock', 'What is a latch?', 0.9, 'lexical').verbatim).toBe(false);
  });

  it.each([
    ['How do I reset my password?', 'How can I reset my password?'],
    ['How to reset my password', 'Please, how would I reset my password?'],
    ['What is the capital of France?', 'Tell me the capital of France'],
    ['Could you explain gravity?', 'explain gravity'],
  ])('calls %j and %j one question in other manners', (a, b) => {
    expect(judge(a, b, 0.9, 'lexical').verbatim).toBe(true);
  });

  it.each([
    ['How do I reset my password?', 'Should I reset my password?'],
    ['How do I reset my password?', 'How do you know my password?'],
    ['Tell me the capital of France', 'Tell me of the capital of France'],
  ])('does not take a change of what is asked for manners: %j, %j', (a, b) => {
    expect(judge(a, b, 0.9, 'lexical').verbatim).toBe(false);
  });

  it('reads a text once', () => {
    expect(readingOf('a text')).toBe(readingOf('a text'));
  });
});

describe('isTypo', () => {
  it.each([
    ['receive', 'recieve'],
    ['passport', 'pasport'],
    ['payment', 'paymant'],
  ])('takes %s and %s for one word', (a, b) => {
    expect(isTypo(a, b)).toBe(true);
    expect(isTypo(b, a)).toBe(true);
  });

  it.each([
    ['card', 'cart'],
    ['cat', 'cats'],
    ['house', 'mouse'],
    ['abc123', 'abc124'],
    ['same', 'same'],
    ['connect', 'disconnect'],
  ])('keeps %s and %s apart', (a, b) => {
    expect(isTypo(a, b)).toBe(false);
  });
});
