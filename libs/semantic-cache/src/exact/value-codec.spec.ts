import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ValueCodec } from './value-codec.js';

const plain = new ValueCodec(undefined);
const sealed = new ValueCodec('a key of an operator');
const LONG = 'all work and no play '.repeat(500);

describe('ValueCodec', () => {
  it('gives back every text, compressed or not, encrypted or not', async () => {
    await fc.assert(
      fc.asyncProperty(
        // Lone surrogates do not survive UTF-8; JSON.stringify escapes them before they come here.
        fc.string({ unit: 'grapheme' }),
        fc.constantFrom(0, 5, Infinity),
        fc.constantFrom(plain, sealed),
        async (text, above, codec) => {
          expect(await codec.decode('k', await codec.encode('k', text, above))).toBe(text);
        },
      ),
    );
  });

  it('compresses what is longer than the threshold and nothing else', async () => {
    const small = await plain.encode('k', LONG, 1024);
    expect(small.startsWith('g')).toBe(true);
    expect(small.length).toBeLessThan(LONG.length / 20);
    expect((await plain.encode('k', LONG, LONG.length)).startsWith('p')).toBe(true);
    expect((await sealed.encode('k', LONG, 1024)).startsWith('G')).toBe(true);
  });

  it('hides the text when there is a key, each time in other bytes', async () => {
    const [a, b] = [
      await sealed.encode('k', LONG, Infinity),
      await sealed.encode('k', LONG, Infinity),
    ];
    const bytes = Buffer.from(a.slice(a.indexOf(':') + 1), 'base64').toString('latin1');
    expect(bytes).not.toContain('work');
    expect(a).not.toBe(b);
  });

  it('refuses a torn value', async () => {
    const stored = await plain.encode('k', LONG, Infinity);
    await expect(plain.decode('k', stored.slice(0, -3))).rejects.toThrow('torn');
    await expect(plain.decode('k', '')).rejects.toThrow();
    await expect(plain.decode('k', 'rubbish')).rejects.toThrow();
  });

  it('refuses an encrypted value under another entry, with another key, and without one', async () => {
    const stored = await sealed.encode('k', 'text', Infinity);
    await expect(sealed.decode('other', stored)).rejects.toThrow();
    await expect(new ValueCodec('another').decode('k', stored)).rejects.toThrow();
    await expect(plain.decode('k', stored)).rejects.toThrow('no key');
  });

  it('refuses a plain value when there is a key: who can write the store could forge it', async () => {
    await expect(sealed.decode('k', await plain.encode('k', 'x', Infinity))).rejects.toThrow();
    await expect(sealed.decode('k', await plain.encode('k', LONG, 0))).rejects.toThrow();
  });

  it('refuses a value that unfolds without end', async () => {
    const bomb = await plain.encode('k', '0'.repeat(17 * 1024 * 1024), 0);
    await expect(plain.decode('k', bomb)).rejects.toThrow();
  });
});
