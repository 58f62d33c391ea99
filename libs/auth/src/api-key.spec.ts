import { describe, expect, it } from '@jest/globals';
import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { generateApiKey, keyHint, KeyHasher, looksLikeApiKey } from './api-key.js';

describe('API keys', () => {
  it('have 256 random bits behind the prefix', () => {
    const keys = new Set(Array.from({ length: 100 }, generateApiKey));
    expect(keys.size).toBe(100);
    for (const key of keys) {
      expect(looksLikeApiKey(key)).toBe(true);
      expect(Buffer.from(key.slice('sk-sluice-'.length), 'base64url')).toHaveLength(32);
    }
  });

  it('show four characters in lists and no more', () => {
    const key = generateApiKey();
    expect(keyHint(key)).toBe(`sk-sluice-…${key.slice(-4)}`);
  });

  it('are hashed with the pepper: neither a plain hash nor the same under another pepper', () => {
    const key = generateApiKey();
    const hash = new KeyHasher('pepper one').hash(key);
    expect(hash).toHaveLength(32);
    expect(hash.equals(createHash('sha256').update(key).digest())).toBe(false);
    expect(hash.equals(new KeyHasher('pepper two').hash(key))).toBe(false);
    expect(hash.equals(new KeyHasher('pepper one').hash(key))).toBe(true);
  });

  it('are hashed as HMAC-SHA-256 defines it, whatever the length of pepper and key', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), fc.string({ maxLength: 200 }), (pepper, key) => {
        const standard = createHmac('sha256', pepper).update(key).digest();
        expect(new KeyHasher(pepper).hash(key).equals(standard)).toBe(true);
      }),
    );
  });

  it('differ in their hash when they differ in their last character alone', () => {
    const hasher = new KeyHasher('pepper');
    const start = 'sk-sluice-'.padEnd(52, 'a');
    expect(hasher.hash(`${start}b`).equals(hasher.hash(`${start}c`))).toBe(false);
  });
});
