import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeFrames } from '../testing/frames.js';
import { decodeFrames } from './frame.codec.js';

const payloads = fc.array(fc.json(), { minLength: 1, maxLength: 20 });

describe('frames', () => {
  it('give back what was written, in order', () => {
    fc.assert(
      fc.property(payloads, (written) => {
        const bytes = encodeFrames(written);
        const read = decodeFrames(bytes, Infinity);
        expect(read.frames.map((frame) => frame.payload)).toEqual(written);
        expect(read).toMatchObject({ consumed: bytes.length, skipped: 0 });
      }),
    );
  });

  it('torn at any byte give back exactly the whole frames before it', () => {
    fc.assert(
      fc.property(payloads, fc.nat(), (written, seed) => {
        const bytes = encodeFrames(written);
        const cut = seed % (bytes.length + 1);
        const ends = decodeFrames(bytes, Infinity).frames.map((frame) => frame.end);
        const whole = ends.filter((end) => end <= cut).length;
        const read = decodeFrames(bytes.subarray(0, cut), Infinity);
        expect(read.frames.map((frame) => frame.payload)).toEqual(written.slice(0, whole));
        expect(read.skipped).toBe(0);
      }),
    );
  });

  it('damaged in one byte lose that frame and no other', () => {
    fc.assert(
      fc.property(payloads, fc.nat(), fc.integer({ min: 1, max: 255 }), (written, seed, flip) => {
        const bytes = encodeFrames(written);
        const place = seed % bytes.length;
        const ends = decodeFrames(bytes, Infinity).frames.map((frame) => frame.end);
        const hit = ends.findIndex((end) => place < end);
        bytes.writeUInt8(bytes.readUInt8(place) ^ flip, place);
        const read = decodeFrames(bytes, Infinity).frames.map((frame) => frame.payload);
        expect(read).toEqual(written.filter((_, index) => index !== hit));
      }),
    );
  });

  it('are read no further than the limit', () => {
    const bytes = encodeFrames(['1', '2', '3']);
    const first = decodeFrames(bytes, 2);
    expect(first.frames.map((frame) => frame.payload)).toEqual(['1', '2']);
    const rest = decodeFrames(bytes.subarray(first.consumed), 2);
    expect(rest.frames.map((frame) => frame.payload)).toEqual(['3']);
  });
});
