import { afterEach, describe, expect, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { makeEmbedder } from './embedder.catalogue.js';
import { TransformersEmbedder } from './transformers.embedder.js';

const library = fileURLToPath(new URL('../../testing/transformers.double.mjs', import.meta.url));
const open: TransformersEmbedder[] = [];
afterEach(() => Promise.all(open.splice(0).map((embedder) => embedder.close())));
function embedderOf(path: string): TransformersEmbedder {
  const embedder = new TransformersEmbedder(path, library);
  open.push(embedder);
  return embedder;
}

describe('the embedder of a local model', () => {
  it('knows its dimension once loaded, and gives unit vectors', async () => {
    const embedder = embedderOf('models/mini-lm');
    expect(embedder.id).toBe('transformers_models_mini_lm');
    expect(embedder.dimension).toBe(0);
    await embedder.load();
    expect(embedder.dimension).toBe(2);
    const [vector] = await embedder.embed(['four'], 1000);
    expect([...(vector ?? [])].map((x) => Number(x.toFixed(4)))).toEqual([0.8, 0.6]);
  });

  it('passes on why a model cannot be loaded', async () => {
    await expect(embedderOf('models/broken').load()).rejects.toThrow('no model broken');
  });

  it('says which package is missing and how to get it', async () => {
    await expect(
      makeEmbedder({ kind: 'transformers', path: 'models/mini-lm' }, () => undefined),
    ).rejects.toThrow(
      'the embedder needs the optional package @huggingface/transformers: npm install @huggingface/transformers',
    );
  });
});
