import { expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '../..');

// The long form is `npm run chaos:limits`.
it('gateways that are killed leave books that are neither below the truth nor above the limit', async () => {
  const name = `chaos-limits-short-${process.pid}`;
  const size = ['--seconds', '6', '--every', '2500', '--streams', '30', '--hurry'];
  const work = ['--budget', '0.033', '--output', '60', '--answer', '300', '--name', name];
  const file = join(ROOT, `benchmarks/results/${name}.json`);
  const args = ['--import', './tools/typescript.mjs', 'benchmarks/chaos-limits/run.ts'];
  // Ends with code 1, and the reasons, when the books do not agree.
  await promisify(execFile)(process.execPath, [...args, ...size, ...work], { cwd: ROOT });
  const { run } = JSON.parse(await readFile(file, 'utf8')) as { run: Record<string, number> };
  await rm(file);
  // Only gateways that are ready are killed: how many that are depends on the machine.
  expect(run.kills).toBeGreaterThan(0);
  expect(run.refusedEarly).toBe(0);
}, 120_000);
