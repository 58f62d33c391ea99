import { describe, expect, it, beforeEach, afterEach } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const repository = fileURLToPath(new URL('..', import.meta.url));
let root: string;

const write = async (file: string, text: string): Promise<void> => {
  await mkdir(dirname(join(root, file)), { recursive: true });
  await writeFile(join(root, file), text);
};

async function build(): Promise<void> {
  const script = `import { build } from ${JSON.stringify(join(repository, 'tools/build.mjs'))};
    await build(${JSON.stringify(root)});`;
  await run(process.execPath, ['--input-type=module', '--eval', script]);
}

async function started(): Promise<unknown> {
  const { stdout } = await run(process.execPath, [join(root, 'dist/bundle/gateway.js')]);
  return JSON.parse(stdout);
}

const chunks = async (): Promise<string[]> =>
  (await readdir(join(root, 'dist/bundle'))).filter((name) => name !== 'gateway.js').toSorted();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-bundle-'));
  for (const name of ['.swcrc', 'package-lock.json'])
    await cp(join(repository, name), join(root, name));
  await write('package.json', '{"type":"module"}');
  await write('libs/one/src/index.ts', "export { read, later } from './one.js';\n");
  await write(
    'libs/one/src/one.ts',
    `import { readFileSync } from 'node:fs';
     import { createServer } from 'node:http';
     export const read = () => ({
       beside: readFileSync(new URL('./asset.txt', import.meta.url), 'utf8'),
       folder: import.meta.dirname,
       server: typeof createServer,
     });
     export const later = async () => (await import('./later.js')).text;\n`,
  );
  await write('libs/one/src/asset.txt', 'an asset');
  await write('libs/one/src/later.ts', "export const text: string = 'first';\n");
  await write(
    'apps/gateway/src/main.ts',
    `import { read } from '@sluice/one';
     const { later } = await import('@sluice/one');
     console.log(JSON.stringify({ ...read(), later: await later() }));\n`,
  );
});
afterEach(() => rm(root, { recursive: true }));

describe('the bundle', () => {
  it('is the program: it finds what lies beside its modules, and loads later what is loaded later', async () => {
    await build();
    expect(await started()).toEqual({
      beside: 'an asset',
      folder: join(root, 'dist/libs/one/src'),
      server: 'function',
      later: 'first',
    });
  });

  it('is made again with what has changed', async () => {
    await build();
    await write('libs/one/src/later.ts', "export const text: string = 'second';\n");
    await build();
    expect(await started()).toMatchObject({ later: 'second' });
  });

  it('leaves the chunks of the bundle before, which a gateway that still runs may load', async () => {
    await build();
    const first = await chunks();
    await write('libs/one/src/later.ts', "export const text: string = 'second';\n");
    await build();
    const second = await chunks();
    expect(second).toEqual(expect.arrayContaining(first));
    await write('libs/one/src/later.ts', "export const text: string = 'third';\n");
    await build();
    const texts = await Promise.all(
      (await chunks()).map((name) => readFile(join(root, 'dist/bundle', name), 'utf8')),
    );
    expect(texts.some((text) => text.includes('"second"'))).toBe(true);
    expect(texts.some((text) => text.includes('"first"'))).toBe(false);
  });
});
