import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const repository = join(import.meta.dirname, '..');
let root: string;

const write = async (name: string, text: string) => {
  await mkdir(join(root, name, '..'), { recursive: true });
  await writeFile(join(root, name), text);
};
const built = (name: string) => readFile(join(root, 'dist', name), 'utf8');

/** In a process of its own: the compiler is native code that a test realm cannot unload. */
async function build(): Promise<{ written: number; removed: number; total: number }> {
  const script = `import { build } from ${JSON.stringify(join(repository, 'tools/build.mjs'))};
    console.log(JSON.stringify(await build(${JSON.stringify(root)})));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script]);
  return JSON.parse(stdout);
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-build-'));
  for (const name of ['.swcrc', 'package-lock.json']) {
    await cp(join(repository, name), join(root, name));
  }
  await write('package.json', '{"type":"module"}');
  await write('libs/one/src/index.ts', "export { one } from './one.js';\n");
  await write('libs/one/src/one.ts', 'export const one: number = 1;\n');
  await write('libs/one/src/one.spec.ts', 'throw new Error("not shipped");\n');
  await write('libs/one/src/decide.lua', 'return 1\n');
  await write(
    'apps/main/src/main.ts',
    "import { one } from '@sluice/one';\nconst { one: again } = await import('@sluice/one');\nconsole.log(one + again);\n",
  );
});
afterEach(() => rm(root, { recursive: true }));

describe('the build', () => {
  it('makes a program that runs, with its assets and without its tests', async () => {
    expect(await build()).toEqual({ written: 4, removed: 0, total: 4 });
    const { stdout } = await run(process.execPath, [join(root, 'dist/apps/main/src/main.js')]);
    expect(stdout).toBe('2\n');
    expect(await built('libs/one/src/decide.lua')).toBe('return 1\n');
    await expect(built('libs/one/src/one.spec.js')).rejects.toThrow('ENOENT');
  });

  it('writes again only what has another content', async () => {
    await build();
    expect(await build()).toEqual({ written: 0, removed: 0, total: 4 });
    await write('libs/one/src/one.ts', 'export const one: number = 1;\n');
    expect((await build()).written).toBe(0);
    await write('libs/one/src/one.ts', 'export const one = 5;\n');
    expect((await build()).written).toBe(1);
    expect(await built('libs/one/src/one.js')).toContain('5');
  });

  it('takes away what has no source any more', async () => {
    await build();
    await rm(join(root, 'libs/one/src/decide.lua'));
    expect(await build()).toMatchObject({ written: 0, removed: 1 });
    await expect(built('libs/one/src/decide.lua')).rejects.toThrow('ENOENT');
  });

  it('starts anew when the compiler or its settings are others', async () => {
    await build();
    const settings = JSON.parse(await readFile(join(root, '.swcrc'), 'utf8'));
    settings.jsc.keepClassNames = false;
    await write('.swcrc', JSON.stringify(settings));
    expect((await build()).written).toBe(4);
  });

  it('fails on source that is none, and mends itself when it is', async () => {
    await write('libs/one/src/one.ts', 'export const = ;\n');
    await expect(build()).rejects.toThrow('one.ts');
    await write('libs/one/src/one.ts', 'export const one = 2;\n');
    expect((await build()).total).toBe(4);
    expect(await built('libs/one/src/one.js')).toContain('2');
  });
});

describe('the closing line of the CI script', () => {
  const close = async (results: object | undefined, ...statuses: string[]) => {
    const file = join(root, 'results.json');
    if (results !== undefined) await writeFile(file, JSON.stringify(results));
    const script = join(repository, 'tools/ci-summary.mjs');
    const { stdout, code } = await run(process.execPath, [script, file, ...statuses]).then(
      (ended) => ({ ...ended, code: 0 }),
      (error: unknown) => error as { stdout: string; code: number },
    );
    return [stdout.trimEnd().split('\n').at(-1), code];
  };

  it.each([
    [
      { numPassedTests: 9, numFailedTests: 0, numRuntimeErrorTestSuites: 0 },
      '0',
      '0',
      '10 passed, 0 failed',
      0,
    ],
    [
      { numPassedTests: 9, numFailedTests: 2, numRuntimeErrorTestSuites: 1 },
      '1',
      '0',
      '10 passed, 3 failed',
      1,
    ],
    [
      { numPassedTests: 9, numFailedTests: 0, numRuntimeErrorTestSuites: 0 },
      '0',
      '1',
      '9 passed, 1 failed',
      1,
    ],
    [
      { numPassedTests: 9, numFailedTests: 0, numRuntimeErrorTestSuites: 0 },
      '1',
      '0',
      '10 passed, 1 failed',
      1,
    ],
    [undefined, '1', '1', '0 passed, 2 failed', 1],
  ])('for %j, tests %s, check %s is "%s"', async (results, tests, check, line, code) => {
    expect(await close(results, tests, check)).toEqual([line, code]);
  });
});
