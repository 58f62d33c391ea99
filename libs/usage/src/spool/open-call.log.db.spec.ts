import { writeSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeFrames } from './frame.codec.js';
import { OpenCallLog, OpenCallNotes, type OpenCallLogOptions } from './open-call.log.js';
import { SpoolDirectory } from './spool.directory.js';

let root: string;
let directory: SpoolDirectory;
let log: OpenCallLog;
const faults: unknown[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-notes-'));
  directory = await SpoolDirectory.claim(root);
  faults.length = 0;
});
afterEach(async () => {
  await log.close();
  await rm(root, { recursive: true, force: true });
});

async function aLog(options: Partial<OpenCallLogOptions> = {}): Promise<OpenCallLog> {
  log = new OpenCallLog(directory, {
    maxBytes: 1_000,
    shipped: () => () => true,
    onFault: (error) => faults.push(error),
    ...options,
  });
  await log.open();
  return log;
}
/** The notes in each file, by file. */
async function written(): Promise<string[][]> {
  const names = (await readdir(directory.path)).sort();
  const files = await Promise.all(names.map((name) => readFile(join(directory.path, name))));
  return files.map((bytes) => decodeFrames(bytes, 100).frames.map(({ payload }) => payload));
}

describe('a note', () => {
  it('is written when the call returns', async () => {
    await aLog();
    expect(log.write('a', new OpenCallNotes())).toBeUndefined();
    expect(await written()).toEqual([['a']]);
  });

  it('is written by the thread pool as soon as two of a few had to wait for the disk', async () => {
    const slowly: OpenCallLogOptions['writeSync'] = (...parameters) => {
      const started = performance.now();
      while (performance.now() - started < 1.5);
      return writeSync(...parameters);
    };
    await aLog({ writeSync: slowly });
    expect(log.write('a', new OpenCallNotes())).toBeUndefined();
    expect(log.write('b', new OpenCallNotes())).toBeUndefined();
    const third = log.write('c', new OpenCallNotes());
    expect(third).toBeInstanceOf(Promise);
    await third;
    expect(await written()).toEqual([['a', 'b', 'c']]);
  });

  const full = () => {
    throw new Error('ENOSPC');
  };

  it.each([
    ['the disk is full', full],
    ['only a part of it has room', () => 3],
  ])('is refused when %s; the next goes into another file', async (_, refuse) => {
    let broken = true;
    await aLog({
      writeSync: (...parameters) => (broken ? refuse() : writeSync(...parameters)),
    });
    expect(() => log.write('a', new OpenCallNotes())).toThrow(/ENOSPC|disk is full/);
    broken = false;
    await log.write('b', new OpenCallNotes());
    expect(log.write('c', new OpenCallNotes())).toBeUndefined();
    expect(await written()).toEqual([[], ['b', 'c']]);
  });

  it('is refused while no file can be opened', async () => {
    await aLog({ writeSync: full });
    expect(() => log.write('a', new OpenCallNotes())).toThrow('ENOSPC');
    await rm(root, { recursive: true });
    // A file where the directory belongs.
    await writeFile(root, '');
    await expect(log.write('b', new OpenCallNotes())).rejects.toThrow('takes no more');
    expect(faults).toHaveLength(1);
  });
});

it('a file stays as long as a call in it is open, or its event is not shipped', async () => {
  let shipped = false;
  await aLog({ maxBytes: 1, shipped: () => () => shipped });
  const [one, two] = [new OpenCallNotes(), new OpenCallNotes()];
  await log.write('a', one);
  await log.write('b', two);
  while ((await readdir(directory.path)).length < 2) await new Promise(setImmediate);
  log.ended(one);
  shipped = true;
  await log.sweep();
  expect(await written()).toEqual([['a', 'b'], []]);
  shipped = false;
  log.ended(two);
  await log.sweep();
  expect(await written()).toEqual([['a', 'b'], []]);
  shipped = true;
  await log.sweep();
  expect(await written()).toEqual([[]]);
});
