import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

jest.setTimeout(240_000);

const PROGRAM = resolve(import.meta.dirname, '../../benchmarks/soak/run.mjs');
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-soak-spec-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

interface SoakResult {
  readonly load: { readonly calls: number; readonly errors: number };
  readonly rss: { readonly perHour: number; readonly most: number };
  readonly after: { readonly settled: boolean };
  readonly samples: readonly { readonly heapMb: number; readonly sockets: number }[];
}

describe('npm run benchmark:soak', () => {
  it('soaks with streams and leaving callers, and finds sockets and timers back where they were', async () => {
    const out = join(dir, 'soak.json');
    const args = ['--minutes', '0.4', '--rate', '20', '--out', out];
    await promisify(execFile)(process.execPath, [PROGRAM, ...args]);
    const result = JSON.parse(await readFile(out, 'utf8')) as SoakResult;
    expect(result.load).toMatchObject({ calls: 480, errors: 0 });
    expect(result.after.settled).toBe(true);
    expect(Number.isFinite(result.rss.perHour)).toBe(true);
    expect(result.rss.most).toBeGreaterThan(0);
    expect(result.samples.length).toBeGreaterThan(5);
    expect(result.samples.every(({ heapMb, sockets }) => heapMb > 0 && sockets > 0)).toBe(true);
  });
});
