import { hash } from 'node:crypto';

export const SANDBOX_DIMENSIONS = 256;

/**
 * A unit vector that depends on the text alone: its words hashed into a few places each, so that texts with the
 * same words lie near each other.
 */
export function sandboxVector(input: string | readonly number[], dimensions: number): number[] {
  const vector = new Array<number>(dimensions).fill(0);
  const words = typeof input === 'string' ? input.toLowerCase().split(/\s+/) : input.map(String);
  for (const word of words) {
    const bytes = hash('sha256', word, 'buffer');
    for (let at = 0; at < 16; at += 4) {
      const place = bytes.readUInt32LE(at) % dimensions;
      vector[place] = (vector[place] ?? 0) + ((bytes[16 + at] ?? 0) % 2 === 0 ? 1 : -1);
    }
  }
  const length = Math.hypot(...vector);
  if (length === 0) vector[0] = 1;
  return length === 0 ? vector : vector.map((value) => value / length);
}
