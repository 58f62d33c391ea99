import { describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { CHAT_INTERCEPTORS } from './pipeline.js';

describe('the chat pipeline', () => {
  it('has the order that docs/pipeline.md draws', async () => {
    const page = await readFile('docs/pipeline.md', 'utf8');
    const drawn = [...page.matchAll(/`(\w+Interceptor)`/g)].map(([, name]) => name);
    expect(drawn).toEqual(CHAT_INTERCEPTORS.map((type) => type.name));
  });
});
