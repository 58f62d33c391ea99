import { describe, expect, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { LocalModel } from './local-model.js';

const library = fileURLToPath(new URL('../../testing/transformers.double.mjs', import.meta.url));

describe('a local model', () => {
  it('is loaded once, from its folder alone, and gives what the library gives', async () => {
    const model = new LocalModel({ path: 'models/mini-lm', library });
    expect(await model.embed({ texts: ['four', 'to'] })).toEqual([
      [4, 3],
      [2, 3],
    ]);
    expect(await model.embed({ texts: [] })).toEqual([]);
    model.close();
    expect(await model.embed({ texts: ['four'] })).toHaveLength(1);
  });

  it('says why it cannot be loaded, each time it is asked', async () => {
    const model = new LocalModel({ path: 'models/broken', library });
    for (let i = 0; i < 2; i++) {
      await expect(model.embed({ texts: ['a'] })).rejects.toThrow('no model broken');
    }
  });

  it('names the package that is missing', async () => {
    const model = new LocalModel({ path: 'models/mini-lm', library: 'no-such-package' });
    await expect(model.embed({ texts: ['a'] })).rejects.toThrow(/no-such-package/);
  });
});
