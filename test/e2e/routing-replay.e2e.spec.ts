import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { appendFile, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SANDBOX_CONFIG, startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

const ROOT = resolve(import.meta.dirname, '../..');
const PROMPTS = [
  'What is TypeScript?',
  'What is a monad?',
  'Compare these two poems for me',
  'Build a web shop with a cart',
];
let gateway: GatewayProcess;
let decisions: string;

async function ask(prompt: string): Promise<void> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'auto', messages: [{ role: 'user', content: prompt }] }),
  });
  expect(answer.status).toBe(200);
  await answer.text();
}

beforeAll(async () => {
  gateway = await startGateway();
  decisions = join(gateway.dir, 'data', 'routing');
  for (const prompt of PROMPTS) await ask(prompt);
  // Decisions are written two seconds after the first of them.
  while ((await readdir(decisions).catch(() => [])).length === 0) await sleep(20);
}, 90_000);
afterAll(() => gateway.stop());

/** `npm run routing:replay` beside the running gateway, in its environment. */
function replay(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      ['--import', './tools/typescript.mjs', 'benchmarks/routing/replay.ts', ...args],
      {
        cwd: ROOT,
        env: {
          PATH: process.env.PATH,
          HOME: process.env.HOME,
          SLUICE_POLICIES: join(gateway.dir, 'policies.yaml'),
        },
      },
      (error, stdout, stderr) =>
        done({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}
async function configFile(name: string, change: (text: string) => string): Promise<string> {
  const path = join(gateway.dir, name);
  await writeFile(path, change(SANDBOX_CONFIG));
  return path;
}
/** The row of the printed table, cell by cell. */
function cells(stdout: string, row: string): string[] {
  const line = stdout.split('\n').find((l) => l.startsWith('│') && l.includes(row)) ?? '';
  return line.split('│').map((cell) => cell.trim().replaceAll("'", ''));
}

describe('routing:replay', () => {
  it('prices recorded decisions as they were, and under the same settings the same', async () => {
    const same = await configFile('same.yaml', (text) => text);
    const data = join(gateway.dir, 'data');
    const { code, stdout, stderr } = await replay(
      '--since',
      '1d',
      '--config',
      same,
      '--data',
      data,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('4 decisions since');
    const [, , calls, usd, loss, models] = cells(stdout, 'as decided');
    expect(calls).toBe('4');
    expect(Number(usd)).toBeGreaterThan(0);
    expect(models).toBe('sandbox-small 2, sandbox-medium 1, sandbox-large 1');
    expect(cells(stdout, 'same.yaml').slice(2)).toEqual(['4', usd, loss, models, '']);
  });

  it('shows what other settings would have cost, in money and in expected quality', async () => {
    const cheap = await configFile(
      'cheap.yaml',
      (text) =>
        `${text}\nrouting: { keywords: { simple: ["what is", "compare", "build"], medium: [], complex: [] } }\n`,
    );
    const { code, stdout, stderr } = await replay(
      ...['--since', '1d', '--config', cheap, '--data', join(gateway.dir, 'data')],
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const then = cells(stdout, 'as decided');
    const now = cells(stdout, 'cheap.yaml');
    expect(Number(now[3])).toBeLessThan(Number(then[3]));
    expect(Number.parseFloat(now[4]!)).toBeGreaterThan(Number.parseFloat(then[4]!));
    expect(now[5]).toBe('sandbox-small 4');
  });

  it('leaves out what is older, what is torn, and models that the other settings do not have', async () => {
    const [file] = await readdir(decisions);
    const old = { at: Date.now() - 3 * 86_400_000, chosen: 'sandbox-small' };
    await appendFile(join(decisions, file!), `${JSON.stringify(old)}\n{"at":17`);
    const fewer = await configFile('fewer.yaml', (text) =>
      text
        .split('\n')
        .filter((line) => !line.includes('sandbox-large'))
        .join('\n'),
    );
    const { code, stdout, stderr } = await replay(
      ...['--since', '1d', '--config', fewer, '--data', join(gateway.dir, 'data')],
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('4 decisions since');
    expect(stdout).toContain('1 not comparable');
    expect(cells(stdout, 'as decided')[2]).toBe('3');
  });

  it.each([
    ['a time it cannot read', ['--since', 'yesterday'], '--since: found "yesterday"'],
    ['a folder without decisions', ['--since', '1h', '--data', '/nonexistent'], 'no decisions'],
    ['settings that are wrong', ['--config', '/nonexistent.yaml'], 'nonexistent.yaml'],
  ])('says what is the matter with %s', async (_what, args, message) => {
    const { code, stderr } = await replay(...args);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });
});
