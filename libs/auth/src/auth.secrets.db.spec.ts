import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SilentLogger } from '@sluice/observability';
import { looksLikeApiKey } from './api-key.js';
import { AuthSecrets, type SecretSettings } from './auth.secrets.js';

let dataDir: string;
beforeEach(async () => {
  dataDir = join(await mkdtemp(join(tmpdir(), 'sluice-secrets-')), 'data');
});
afterEach(() => rm(join(dataDir, '..'), { recursive: true, force: true }));

const load = (more: Partial<SecretSettings> = {}, logger = new SilentLogger()) =>
  AuthSecrets.load({ dataDir, ...more }, logger);
const mode = async (file: string) => (await stat(join(dataDir, file))).mode & 0o777;

describe('AuthSecrets', () => {
  it('has no default credential: both secrets are random, kept, and for their owner alone', async () => {
    const first = await load();
    expect(looksLikeApiKey(first.adminKey)).toBe(true);
    expect(first.pepper).toHaveLength(43);
    expect(await mode('admin.key')).toBe(0o600);
    expect(await mode('key.pepper')).toBe(0o600);
    expect((await readFile(join(dataDir, 'admin.key'), 'utf8')).trim()).toBe(first.adminKey);
    expect(await load()).toEqual(first);
    const elsewhere = await AuthSecrets.load({ dataDir: join(dataDir, 'b') }, new SilentLogger());
    expect(elsewhere.adminKey).not.toBe(first.adminKey);
    expect(elsewhere.pepper).not.toBe(first.pepper);
  });

  it('writes nothing when the operator gives both', async () => {
    await load();
    await rm(dataDir, { recursive: true });
    const given = await load({ adminKey: 'a long enough admin key', pepper: 'salt' });
    expect(given).toMatchObject({ adminKey: 'a long enough admin key', pepper: 'salt' });
    await expect(readdir(dataDir)).rejects.toThrow('ENOENT');
  });

  it('gives two processes that start at once the same secrets', async () => {
    const all = await Promise.all([load(), load(), load()]);
    expect(new Set(all.map((secrets) => secrets.pepper)).size).toBe(1);
    expect((await readdir(dataDir)).toSorted()).toEqual(['admin.key', 'key.pepper']);
  });

  it('closes a secret that had become readable to others', async () => {
    await load();
    await chmod(join(dataDir, 'key.pepper'), 0o644);
    await load();
    expect(await mode('key.pepper')).toBe(0o600);
  });

  it('refuses an empty file instead of working without a secret', async () => {
    await load();
    await writeFile(join(dataDir, 'admin.key'), '\n');
    await expect(load()).rejects.toThrow(/admin\.key is empty/);
  });

  it('warns about an admin key that can be guessed', async () => {
    const logger = new SilentLogger();
    const warnings: string[] = [];
    logger.warn = (...said: unknown[]) => void warnings.push(String(said[1]));
    await load({ adminKey: 'secret' }, logger);
    expect(warnings[0]).toMatch(/SLUICE_ADMIN_KEY has fewer than 20 characters/);
  });
});
