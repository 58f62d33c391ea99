import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keptFile } from './kept.file.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-kept-'));
});
afterEach(() => rm(dir, { recursive: true }));

describe('a kept file', () => {
  it('is made once, for its owner alone, whoever asks at the same time', async () => {
    const file = join(dir, 'not', 'yet', 'there');
    let made = 0;
    const all = await Promise.all(
      Array.from({ length: 20 }, () => keptFile(file, () => `secret ${++made}`)),
    );
    expect(new Set(all.map(String)).size).toBe(1);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(dir, 'not', 'yet'))).toEqual(['there']);
  });

  it('keeps what it holds', async () => {
    const file = join(dir, 'kept');
    await writeFile(file, 'of yesterday');
    const made = () => {
      throw new Error('made again');
    };
    expect(String(await keptFile(file, made))).toBe('of yesterday');
  });

  it('does not hide that it cannot be read or made', async () => {
    await mkdir(join(dir, 'folder'));
    await expect(keptFile(join(dir, 'folder'), () => '')).rejects.toThrow('EISDIR');
    await writeFile(join(dir, 'file'), '');
    await expect(keptFile(join(dir, 'file', 'below'), () => '')).rejects.toThrow('ENOTDIR');
    expect((await readdir(dir)).toSorted()).toEqual(['file', 'folder']);
  });
});
