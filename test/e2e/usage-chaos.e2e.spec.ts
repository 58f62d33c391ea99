import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';

const TIMEOUT_MS = 120_000;

// The long version is `npm run chaos:usage`.
it(
  'two gateways that are killed while their clocks step and the database crashes bill every call of their upstream once',
  async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...['--import', './tools/typescript.mjs', 'benchmarks/chaos-usage/run.ts'],
      ...['--kills', '3', '--crashes', '1', '--outages', '0', '--answers', '120', '--name', ''],
    ]).catch((error: unknown) => error as { readonly stdout: string });
    const verdict = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, number>;
    expect(verdict).toMatchObject({
      kills: 3,
      crashes: 1,
      lost: 0,
      twice: 0,
      wrong: 0,
      differences: 0,
      left: 0,
    });
    expect(verdict.answered).toBeGreaterThan(400);
    expect(verdict.days).toBeGreaterThan(1);
    // Of a few hundred calls the ones that died are a larger part than of the long run's.
    expect(verdict.differenceShare).toBeLessThan(0.02);
  },
  TIMEOUT_MS,
);
