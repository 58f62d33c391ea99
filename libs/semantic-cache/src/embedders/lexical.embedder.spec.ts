import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LexicalEmbedder } from './lexical.embedder.js';
import { dot } from './lexical-vector.js';
import { selfTest } from './self-test.js';

const embedder = new LexicalEmbedder();
async function similarity(a: string, b: string): Promise<number> {
  const [p, q] = await embedder.embed([a, b]);
  if (p === undefined || q === undefined) throw new Error('no vectors');
  return dot(p, q);
}

describe('the lexical embedder', () => {
  it('gives unit vectors of 512 dimensions, and the zero vector for no words', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 200 }), async (text) => {
        const [vector] = await embedder.embed([text]);
        if (vector === undefined) throw new Error('no vector');
        expect(vector).toHaveLength(512);
        const length = dot(vector, vector);
        expect(length === 0 || Math.abs(length - 1) < 1e-5).toBe(true);
      }),
      { numRuns: 200 },
    );
    expect(embedder.dimension).toBe(512);
    expect(embedder.id).toMatch(/^\w+$/);
  });

  it('finds a text the same as itself, whatever its case and punctuation', async () => {
    const text = 'How do I reset the password of my account?';
    expect(await similarity(text, text)).toBeCloseTo(1, 5);
    expect(await similarity(text, text.toLowerCase().replace('?', ' !'))).toBeCloseTo(1, 5);
  });

  it.each([
    [
      'How do I reset my password?',
      'How can I reset the password?',
      'What is the capital of France?',
    ],
    [
      'Explain how photosynthesis works in plants',
      'How does photosynthesis work in a plant?',
      'Write a poem about autumn leaves',
    ],
    [
      'What are the opening hours of the library?',
      'When does the library open, what are its opening hours?',
      'Translate this sentence into Japanese',
    ],
  ])('finds a paraphrase of "%s" nearer than something unrelated', async (text, like, unlike) => {
    const far = await similarity(text, unlike);
    expect(far).toBeLessThan(0.5);
    expect(await similarity(text, like)).toBeGreaterThan(Math.max(far + 0.2, 0.5));
  });

  it('passes its self-test', async () => {
    expect(await selfTest(embedder, 1000)).toBeUndefined();
  });
});
