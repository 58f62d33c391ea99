import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
const SDKS = /@aws-sdk|@smithy|@modelcontextprotocol/;

/** What Node loads while it runs `program`, which may use the whole of the providers' room. */
async function loadedBy(program: string): Promise<string[]> {
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    await import('reflect-metadata');
    await import('./dist/libs/providers/src/index.js');
    const { PROVIDER_CATALOGUE } = await import('./dist/libs/providers/src/provider.catalogue.js');
    ${program}
    console.log(JSON.stringify(loaded));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
    cwd: ROOT,
    maxBuffer: 64 * 1024 ** 2,
  });
  return JSON.parse(stdout) as string[];
}

describe('the adapters of providers', () => {
  it('are not loaded at the start, and their SDKs neither', async () => {
    const loaded = await loadedBy('');
    expect(loaded.filter((url) => SDKS.test(url))).toEqual([]);
    expect(loaded.filter((url) => /\.adapter\.js|\.dialect\.js/.test(url))).toEqual([]);
  });

  it('load an SDK with the first call, not with the provider', async () => {
    const config = `{ id: 'p', region: 'us-east-1', url: 'http://127.0.0.1:1/mcp', tool: 't', headers: {} }`;
    const loaded = await loadedBy(`
      for (const kind of ['bedrock', 'mcp']) (await PROVIDER_CATALOGUE[kind]())(${config}, {});`);
    expect(loaded.some((url) => url.endsWith('bedrock.adapter.js'))).toBe(true);
    expect(loaded.some((url) => url.endsWith('mcp.adapter.js'))).toBe(true);
    expect(loaded.filter((url) => SDKS.test(url))).toEqual([]);
  });
});
