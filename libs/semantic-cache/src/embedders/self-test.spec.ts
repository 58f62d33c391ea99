import { describe, expect, it } from '@jest/globals';
import { Embedder } from './embedder.js';
import { selfTest } from './self-test.js';

class Fake extends Embedder {
  readonly id = 'fake';
  readonly kind = 'dense';
  readonly dimension = 2;
  constructor(private readonly vectorOf: (text: string) => number[] | undefined) {
    super();
  }
  embed(texts: readonly string[]): Promise<Float32Array[]> {
    const vectors = texts.map((text) => this.vectorOf(text)).filter((v) => v !== undefined);
    return Promise.resolve(vectors.map((v) => Float32Array.from(v)));
  }
}

describe('the self-test of an embedder', () => {
  it.each<[string, (text: string) => number[] | undefined, RegExp | undefined]>([
    ['honest', (text) => (text.includes('password') ? [1, 0] : [0, 1]), undefined],
    ['alike for everything', () => [1, 0], /unrelated texts are 1\.000 similar/],
    ['not a number', () => [NaN, NaN], /NaN similar to itself/],
    ['zero', () => [0, 0], /only 0\.000 similar/],
    ['of another dimension', () => [1, 0, 0], /3 dimensions instead of 2/],
    ['missing', () => undefined, /no vectors/],
  ])('judges one whose vectors are %s', async (_name, vectorOf, reason) => {
    const fault = await selfTest(new Fake(vectorOf), 1000);
    if (reason === undefined) expect(fault).toBeUndefined();
    else expect(fault).toMatch(reason);
  });

  it('says when a text is not even like itself', async () => {
    let calls = 0;
    const vectors = [
      [1, 0],
      [0, 1],
      [0, 1],
    ];
    const fault = await selfTest(new Fake(() => vectors[calls++]), 1000);
    expect(fault).toBe('a text is only 0.000 similar to itself');
  });
});
