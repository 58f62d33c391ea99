import { expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

// The long form is `npm run chaos:limits`.
it('processes that are killed leave books that are neither below the truth nor above the limit', async () => {
  const root = join(import.meta.dirname, '../../..');
  const script = ['--import', './tools/typescript.mjs', 'benchmarks/chaos-limits/run.ts'];
  const size = ['--seconds', '3', '--processes', '2', '--lanes', '5', '--every', '1500', '--hurry'];
  const name = 'chaos-limits-short';
  // Ends with code 1, and the reasons, when the books do not agree.
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...script, ...size, '--name', name],
    { cwd: root },
  );
  expect(stdout).toContain('recorded');
  await rm(join(root, `benchmarks/results/${name}.json`));
}, 60_000);
