import { describe, expect, it } from '@jest/globals';
import { storableJson } from './storable.json.js';

describe('storableJson', () => {
  it('leaves what Postgres takes as it is, a backslash and a u among it', () => {
    const value = { text: 'naïve 文字 😀 \\u0000', list: [1, null, true] };
    expect(storableJson(value)).toBe(JSON.stringify(value));
  });

  it('takes NUL away, and puts a mark in the place of half a surrogate pair', () => {
    expect(JSON.parse(storableJson(['a\0b', { deep: 'half \ud800' }]))).toEqual([
      'ab',
      { deep: 'half \ufffd' },
    ]);
  });
});
