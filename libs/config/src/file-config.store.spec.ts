import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Test } from '@nestjs/testing';
import { ConfigModule, loadConfig } from './config.module.js';
import { ConfigStore, type ReloadResult } from './config.store.js';
import { FileConfigStore } from './file-config.store.js';

const VALID = 'providers: [{ id: a, kind: sandbox }]\nmodels: [{ id: m, provider: a }]\n';

let folder: string;
let store: FileConfigStore | undefined;
const file = (name: string) => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-config-'));
  await writeFile(file('sluice.yaml'), VALID);
  await writeFile(file('policies.yaml'), 'tiers: { free: {} }\n');
});
afterEach(async () => {
  store?.onModuleDestroy();
  store = undefined;
  await rm(folder, { recursive: true });
});

async function open(env: Record<string, string> = {}, watch = false): Promise<FileConfigStore> {
  store = await FileConfigStore.open(
    { SLUICE_CONFIG: file('sluice.yaml'), SLUICE_POLICIES: file('policies.yaml'), ...env },
    { watch },
  );
  return store;
}

function nextReload(config: ConfigStore): Promise<ReloadResult> {
  return new Promise((resolve) => {
    const stop = config.onReload((result) => {
      stop();
      resolve(result);
    });
  });
}

describe('the shipped files', () => {
  it('are valid without any variable, with the commercial providers disabled', async () => {
    const config = await loadConfig({}, { watch: false });
    expect(config.current.version).toBe(1);
    expect(Object.keys(config.current.policies.tiers)).toEqual([
      'anonymous',
      'free',
      'paid',
      'admin',
    ]);
    const { isProviderEnabled } = await import('./provider-enabled.js');
    const enabled = config.current.sluice.providers.filter((p) => isProviderEnabled(p, config.env));
    expect(enabled.map(({ id }) => id)).toEqual(['sandbox']);
  });

  it('enable a provider when its key is there', async () => {
    const config = await loadConfig({ ANTHROPIC_API_KEY: 'sk-ant-x' }, { watch: false });
    const provider = config.current.sluice.providers.find(({ id }) => id === 'anthropic');
    expect(provider).toMatchObject({ apiKey: 'sk-ant-x' });
  });
});

describe('a reload', () => {
  it('puts a whole new version in place of the old one', async () => {
    const config = await open();
    const before = config.current;
    const seen: number[][] = [];
    config.onChange((next, previous) => seen.push([next.version, previous.version]));
    await writeFile(file('sluice.yaml'), `${VALID}cache: { version: 7 }\n`);
    await writeFile(file('policies.yaml'), 'tiers: { free: {}, gold: {} }\n');
    expect(config.current).toBe(before);
    expect(await config.reload()).toEqual({ applied: true, version: 2, problems: [] });
    expect(config.current.sluice.cache.version).toBe(7);
    expect(Object.keys(config.current.policies.tiers)).toEqual(['free', 'gold']);
    expect(before.sluice.cache.version).toBe(1);
    expect(seen).toEqual([[2, 1]]);
  });

  it.each([
    ['a wrong value', 'cache: { version: -1 }', /sluice\.yaml:1: cache\.version: found -1/],
    ['no YAML', 'cache: { version: ', /sluice\.yaml:\d+: /],
    ['a list', '- a', /sluice\.yaml: expected a mapping of keys to values/],
  ])('of a file with %s leaves the old version serving', async (_case, text, problem) => {
    const config = await open();
    const before = config.current;
    let changes = 0;
    config.onChange(() => changes++);
    await writeFile(file('sluice.yaml'), text);
    const result = await config.reload();
    expect(result).toMatchObject({ applied: false, version: 1 });
    expect(result.problems.join('\n')).toMatch(problem);
    expect(config.rejected).toEqual(result.problems);
    expect(config.current).toBe(before);
    expect(changes).toBe(0);

    await writeFile(file('sluice.yaml'), VALID);
    expect(await config.reload()).toMatchObject({ applied: true, version: 2 });
    expect(config.rejected).toEqual([]);
  });

  it('when one of two files is bad takes neither', async () => {
    const config = await open();
    await writeFile(file('sluice.yaml'), `${VALID}cache: { version: 2 }\n`);
    await writeFile(file('policies.yaml'), 'tiers: 5\n');
    expect((await config.reload()).applied).toBe(false);
    expect(config.current.sluice.cache.version).toBe(1);
  });

  it('of a file that is gone says so and goes on', async () => {
    const config = await open();
    await rm(file('policies.yaml'));
    const { problems } = await config.reload();
    expect(problems[0]).toMatch(/policies\.yaml: cannot be read \(ENOENT\); SLUICE_POLICIES names/);
    expect(config.current.version).toBe(1);
  });

  it('that is asked for many times at once runs one after the other', async () => {
    const config = await open();
    const results = await Promise.all(Array.from({ length: 5 }, () => config.reload()));
    expect(results.map(({ version }) => version)).toEqual([2, 3, 4, 5, 6]);
  });

  it('reaches every listener though one of them throws', async () => {
    const config = await open();
    let reached = 0;
    const warn = jest.spyOn(process, 'emitWarning').mockReturnValue();
    config.onChange(() => {
      throw new Error('listener broke');
    });
    const stop = config.onChange(() => reached++);
    await config.reload();
    expect(warn).toHaveBeenCalledWith(new Error('listener broke'));
    warn.mockRestore();
    stop();
    expect(reached).toBe(1);
  });

  it('keeps the variables of the start', async () => {
    const config = await open({ RATE_LIMIT_FREE_PER_HOUR: '9' });
    await config.reload();
    expect(config.current.policies.tiers.free?.requests).toEqual({ perHour: 9 });
  });
});

describe('a watched file', () => {
  it('is read again after it was replaced, once for many writes', async () => {
    const config = await open({}, true);
    const reloaded = nextReload(config);
    for (let version = 2; version <= 6; version++) {
      await writeFile(file('new.yaml'), `${VALID}cache: { version: ${version} }\n`);
      await rename(file('new.yaml'), file('sluice.yaml'));
    }
    expect(await reloaded).toEqual({ applied: true, version: 2, problems: [] });
    expect(config.current.sluice.cache.version).toBe(6);
  });

  it('that was only touched makes no new version', async () => {
    const config = await open({}, true);
    const reloads: ReloadResult[] = [];
    config.onReload((result) => reloads.push(result));
    await writeFile(file('sluice.yaml'), VALID);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(reloads).toEqual([]);
    // The watcher was awake all the time.
    const reloaded = nextReload(config);
    await writeFile(file('sluice.yaml'), 'models: 5');
    expect((await reloaded).applied).toBe(false);
  });
});

describe('opening', () => {
  it('refuses with the problems of the environment and of both files in one list', async () => {
    await writeFile(file('sluice.yaml'), 'modells: []\nlimits: { bodyBytes: lots }\n');
    await writeFile(file('policies.yaml'), 'tiers: { free: { priority: high } }\n');
    await expect(open({ PORT: 'eighty', LOG_LEVEL: 'loud' })).rejects.toMatchObject({
      name: 'ConfigError',
      problems: [
        'environment: PORT: found "eighty"; expected a whole number',
        'environment: LOG_LEVEL: found "loud"; allowed: fatal, error, warn, info, debug, trace, silent',
        expect.stringMatching(/sluice\.yaml:2: limits\.bodyBytes: found "lots"; expected a size/),
        expect.stringMatching(/sluice\.yaml:1: modells: unknown key \(did you mean "models"\?\)/),
        expect.stringMatching(
          /policies\.yaml:1: tiers\.free\.priority: found "high"; expected number/,
        ),
      ],
    });
  });

  it('gives every module the same store', async () => {
    const config = await open();
    const app = await Test.createTestingModule({ imports: [ConfigModule.with(config)] }).compile();
    expect(app.get(ConfigStore)).toBe(config);
    await app.close();
  });
});
