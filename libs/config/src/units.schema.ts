import { z } from 'zod';

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const DURATION_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION_ERROR = 'expected a duration such as 250ms, 30s, 5m, 24h or 7d';
const SIZE = /^(\d+(?:\.\d+)?)(b|kb|mb|gb)$/i;
const SIZE_ERROR = 'expected a size such as 512b, 1kb, 64mb or 1gb';
const SIZE_BYTES = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 } as const;

/** `30s`, `5m`, `24h`, `250ms`, `7d` → milliseconds. */
export const duration = z
  .string({ error: DURATION_ERROR })
  .regex(DURATION, { error: DURATION_ERROR })
  .transform((text) => {
    const match = DURATION.exec(text);
    return Number(match?.[1]) * DURATION_MS[(match?.[2] ?? 'ms') as keyof typeof DURATION_MS];
  });

/** `1kb`, `64mb` → bytes (binary multiples). */
export const byteSize = z
  .string({ error: SIZE_ERROR })
  .regex(SIZE, { error: SIZE_ERROR })
  .transform((text) => {
    const match = SIZE.exec(text);
    const unit = (match?.[2] ?? 'b').toLowerCase() as keyof typeof SIZE_BYTES;
    return Math.floor(Number(match?.[1]) * SIZE_BYTES[unit]);
  });

export const count = z.int().nonnegative();
export const positive = z.int().positive();
export const ratio = z.number().min(0).max(1);
export const usd = z.number().nonnegative();
export const id = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/, {
  error: 'expected an id of letters, digits and . _ : / - (at most 128 characters)',
});
