import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';

describe('two writers that are killed while the database crashes and the disk fills', () => {
  it('lose no acknowledged event, double none, and leave rollups that equal the events', async () => {
    // The long version is `npm run chaos:usage`.
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--import',
      './tools/typescript.mjs',
      'benchmarks/chaos-usage/run.ts',
      ...['--kills', '3', '--crashes', '1', '--rate', '400', '--pause', '300', '--name', ''],
    ]);
    const verdict = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, unknown>;
    expect(verdict).toMatchObject({
      kills: 3,
      crashes: 1,
      lost: 0,
      twice: 0,
      wrong: 0,
      differences: 0,
    });
    expect(verdict.acknowledged).toBeGreaterThan(100);
  }, 90_000);
});
