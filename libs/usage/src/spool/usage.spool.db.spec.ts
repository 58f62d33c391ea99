import {
  mkdtemp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
  utimes,
} from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { liveness, ownIdentity } from '@sluice/cluster';
import { encodeFrames } from '../testing/frames.js';
import { OpenCallNotes } from './open-call.log.js';
import { DamagedSpool, UsageSpool, type UsageSpoolOptions } from './usage.spool.js';

let root: string;
let faults: unknown[];
const open: UsageSpool[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-spool-'));
  faults = [];
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((spool) => spool.close()));
  await rm(root, { recursive: true, force: true });
});

async function aSpool(options: Partial<UsageSpoolOptions> = {}): Promise<UsageSpool> {
  const spool = new UsageSpool({
    root: join(root, 'spool'),
    maxBytes: () => 1e9,
    onFault: (error) => faults.push(error),
    ...options,
  });
  await spool.open();
  open.push(spool);
  return spool;
}

async function drain(spool: UsageSpool, limit = 500): Promise<string[]> {
  const all: string[] = [];
  for (let batch = await spool.next(limit); batch !== undefined; batch = await spool.next(limit)) {
    all.push(...batch.payloads);
    await batch.done();
  }
  return all;
}

/** What a killed process leaves: a directory named after a pid that no process has. */
async function deadSpool(
  segments: readonly Buffer[],
  notes: readonly Buffer[] = [],
): Promise<string> {
  const { start, realm } = await ownIdentity();
  const own = (await readdir(join(root, 'spool')).catch(() => []))[0];
  const hash = own?.split('-')[2] ?? realmHashOf(realm);
  const path = join(root, 'spool', `4194999-${start}-${hash}-1`);
  await mkdir(path, { recursive: true });
  await Promise.all(
    segments.map((bytes, n) => writeFile(join(path, `0000000${n + 1}.seg`), bytes)),
  );
  await Promise.all(notes.map((bytes, n) => writeFile(join(path, `0000000${n + 1}.open`), bytes)));
  return path;
}
function realmHashOf(realm: string): string {
  return createHash('sha256').update(realm).digest('hex').slice(0, 8);
}

describe('the usage spool', () => {
  it('gives acknowledged events back in order, in batches, until they are done', async () => {
    const spool = await aSpool();
    const written = Array.from({ length: 1200 }, (_, n) => `event ${n}`);
    await Promise.all(written.map((event) => spool.append(event)));
    const first = await spool.next(500);
    expect(first?.payloads).toEqual(written.slice(0, 500));
    expect((await spool.next(500))?.payloads).toEqual(written.slice(0, 500));
    expect(await drain(spool)).toEqual(written);
    expect(spool.bytes).toBe(0);
  });

  it('syncs the events of one window together', async () => {
    const spool = await aSpool({ windowMs: 20 });
    const both = [spool.append('a'), spool.append('b')];
    expect(both[0]).toBe(both[1]);
    await Promise.all(both);
    expect(spool.unread).toBe(2);
  });

  it('removes a segment when all its events are done', async () => {
    const spool = await aSpool({ segmentBytes: 100 });
    for (let n = 0; n < 5; n += 1) await spool.append('x'.repeat(100));
    const [directory] = await readdir(join(root, 'spool'));
    const segments = async () =>
      (await readdir(join(root, 'spool', directory!))).filter((name) => name.endsWith('.seg'));
    expect(await segments()).toHaveLength(5);
    await drain(spool);
    expect(await segments()).toHaveLength(0);
  });

  it('leaves nothing on the disk when all was shipped before it closed', async () => {
    const spool = await aSpool();
    await spool.append('a');
    await drain(spool);
    await spool.close();
    expect(await readdir(join(root, 'spool'))).toEqual([]);
  });

  it('leaves what was not shipped to the next one', async () => {
    const first = await aSpool();
    await first.append('bill');
    await first.close();
    expect(await drain(await aSpool())).toEqual(['bill']);
  });

  it('takes over the segments of a killed process, oldest first, up to the torn end', async () => {
    const whole = encodeFrames(['c', 'd']);
    const torn = Buffer.concat([whole, encodeFrames(['lost']).subarray(0, 9)]);
    const path = await deadSpool([encodeFrames(['a', 'b']), torn]);
    const spool = await aSpool();
    expect(await drain(spool)).toEqual(['a', 'b', 'c', 'd']);
    await expect(readdir(path)).rejects.toThrow('ENOENT');
    expect(faults).toEqual([expect.any(DamagedSpool)]);
  });

  it('recovers exactly the whole frames of a segment cut at any byte', async () => {
    const events = Array.from({ length: 20 }, (_, n) => `event ${n}`);
    const bytes = encodeFrames(events);
    for (const cut of [0, 1, 11, 12, 13, 200, bytes.length - 1, bytes.length]) {
      const path = await deadSpool([bytes]);
      await truncate(join(path, '00000001.seg'), cut);
      const spool = await aSpool();
      const whole = events.filter((_, n) => encodeFrames(events.slice(0, n + 1)).length <= cut);
      expect(await drain(spool)).toEqual(whole);
      await spool.close();
    }
  });

  it('goes on behind damage in the middle and reports it', async () => {
    const bytes = encodeFrames(['a', 'b', 'c']);
    bytes[bytes.indexOf('b')] = 0;
    await deadSpool([bytes]);
    expect(await drain(await aSpool())).toEqual(['a', 'c']);
    expect(faults).toHaveLength(1);
  });

  it('reads past a damaged stretch that is longer than any event', async () => {
    const noise = Buffer.alloc(3 * 1024 * 1024, 'SLU1');
    await deadSpool([Buffer.concat([noise, encodeFrames(['a'])])]);
    expect(await drain(await aSpool())).toEqual(['a']);
  });

  it('lets only one of two take a dead process’s segments', async () => {
    const [one, two] = [await aSpool(), await aSpool()];
    await deadSpool([encodeFrames(['a']), encodeFrames(['b'])]);
    const adopted = await Promise.all([one.adopt(), two.adopt()]);
    expect(adopted[0] + adopted[1]).toBe(2);
    expect([...(await drain(one)), ...(await drain(two))].sort()).toEqual(['a', 'b']);
  });

  it('leaves the segments of a living process alone', async () => {
    const living = await aSpool();
    await living.append('mine');
    const other = await aSpool();
    expect(await other.adopt()).toBe(0);
    expect(await drain(living)).toEqual(['mine']);
  });

  it('leaves a silent process of another machine alone for two minutes', async () => {
    const path = join(root, 'spool', '1-1-00000000-1');
    await mkdir(path, { recursive: true });
    await writeFile(join(path, '00000001.seg'), encodeFrames(['a']));
    const spool = await aSpool();
    expect(await drain(spool)).toEqual([]);
    const past = new Date(Date.now() - 180_000);
    await utimes(path, past, past);
    await spool.adopt();
    expect(await drain(spool)).toEqual(['a']);
  });

  it('calls itself full at its limit, and open again only well below it', async () => {
    let limit = 1_000;
    const spool = await aSpool({ maxBytes: () => limit });
    await spool.append('x'.repeat(500));
    expect(spool.full).toBe(false);
    await spool.append('x'.repeat(500));
    expect(spool.full).toBe(true);
    limit = 1_030;
    expect(spool.full).toBe(true);
    limit = 1_000;
    await drain(spool);
    expect(spool.full).toBe(false);
  });

  it('does not acknowledge what a taken-over segment holds, but writes it again', async () => {
    const spool = await aSpool();
    await spool.append('a');
    const names = await readdir(join(root, 'spool'));
    const own = join(root, 'spool', names[0]!);
    // Another machine, after two minutes of silence.
    await rm(own, { recursive: true });
    await spool.append('b');
    expect(spool.full).toBe(false);
    expect(faults.length).toBeGreaterThan(0);
    expect(await drain(spool)).toEqual(['b']);
  });

  it('keeps events in memory while it cannot write, is full meanwhile, and loses none', async () => {
    const spool = await aSpool();
    await spool.append('a');
    const names = await readdir(join(root, 'spool'));
    const own = join(root, 'spool', names[0]!);
    await rm(own, { recursive: true });
    // A file where the directory belongs: every try to open a segment fails.
    await writeFile(own, '');
    const waiting = spool.append('b');
    while (!spool.full) await new Promise(setImmediate);
    expect(spool.bytes).toBeGreaterThan(0);
    await rm(own);
    await waiting;
    expect(spool.full).toBe(false);
    expect(await drain(spool)).toEqual(['b']);
  });

  it('rejects what it could not write when it is closed', async () => {
    const spool = await aSpool();
    const names = await readdir(join(root, 'spool'));
    const own = join(root, 'spool', names[0]!);
    await rm(own, { recursive: true });
    await writeFile(own, '');
    const waiting = expect(spool.append('b')).rejects.toThrow();
    while (!spool.full) await new Promise(setImmediate);
    await spool.close();
    await waiting;
    await expect(spool.append('c')).rejects.toThrow('not open');
  });

  it('tells a process from a later one with the same pid', async () => {
    const self = await ownIdentity();
    expect(await liveness(self, self)).toBe('alive');
    expect(await liveness({ ...self, start: '1' }, self)).toBe('dead');
    expect(await liveness({ ...self, pid: 4_194_999 }, self)).toBe('dead');
    expect(await liveness({ ...self, realm: 'elsewhere' }, self)).toBe('unknown');
  });
});

describe('notes of open calls', () => {
  const notesOf = async () => {
    const names = await readdir(join(root, 'spool'), { recursive: true });
    return names.filter((name) => name.endsWith('.open'));
  };

  it('are read behind the events that the same process has left, the newest file first', async () => {
    await deadSpool(
      [encodeFrames(['event a']), encodeFrames(['event b'])],
      [encodeFrames(['note a', 'note b']), encodeFrames(['note c'])],
    );
    const spool = await aSpool();
    const batches: [boolean, readonly string[]][] = [];
    for (let batch = await spool.next(1); batch !== undefined; batch = await spool.next(1)) {
      batches.push([batch.expected, batch.payloads]);
      await batch.done();
    }
    expect(batches).toEqual([
      [false, ['event a']],
      [false, ['event b']],
      [true, ['note c']],
      // A file of notes is one batch, so that the later note of a call can win.
      [true, ['note a', 'note b']],
    ]);
    expect(await notesOf()).toHaveLength(1);
  });

  it('are still behind the events when the process that adopted both is killed too', async () => {
    const path = await deadSpool([encodeFrames(['event'])], [encodeFrames(['note'])]);
    const middle = await deadSpool([encodeFrames(['newer event'])]);
    const between = middle.replace('4194999', '4194998');
    await mkdir(join(between, 'taken-0'), { recursive: true });
    for (const name of ['00000001.seg', '00000001.open']) {
      await rename(join(path, name), join(between, 'taken-0', name));
    }
    const drained = await drain(await aSpool());
    expect(drained.at(-1)).toBe('note');
    expect(drained).toContain('newer event');
  });

  it('are on their way to the disk when the call goes upstream: a killed process keeps them', async () => {
    const spool = await aSpool();
    expect(spool.note('note', new OpenCallNotes())).toBeUndefined();
    const [file] = await notesOf();
    expect(await readFile(join(root, 'spool', file!))).toEqual(encodeFrames(['note']));
  });

  it('go when the events of all calls in their file are shipped, and not before', async () => {
    const spool = await aSpool({ notesBytes: 1 });
    const [one, two] = [new OpenCallNotes(), new OpenCallNotes()];
    await spool.note('note one', one);
    // The file is large enough already: the next one is being opened.
    await spool.note('note two', two);
    while ((await notesOf()).length < 2) await new Promise(setImmediate);
    await spool.append('event one', one);
    await drain(spool);
    expect(await notesOf()).toHaveLength(2);
    await spool.append('event two', two);
    expect(await notesOf()).toHaveLength(2);
    await drain(spool);
    expect(await notesOf()).toHaveLength(1);
  });

  it('of calls that have not ended at the shutdown are left to the next process', async () => {
    const spool = await aSpool();
    await spool.note('note', new OpenCallNotes());
    await spool.close();
    expect(await drain(await aSpool())).toEqual(['note']);
  });

  it('of calls that have ended are not', async () => {
    const spool = await aSpool();
    const call = new OpenCallNotes();
    await spool.note('note', call);
    await spool.append('event', call);
    await drain(spool);
    await spool.close();
    expect(await readdir(join(root, 'spool'))).toEqual([]);
  });

  it('fill the spool like events do', async () => {
    const spool = await aSpool({ maxBytes: () => 100 });
    await spool.note('x'.repeat(100), new OpenCallNotes());
    expect(spool.full).toBe(true);
  });

  it('are refused when they cannot be written, and go on in another file as soon as they can', async () => {
    const spool = await aSpool({ notesBytes: 1 });
    const [own] = await readdir(join(root, 'spool'));
    const call = new OpenCallNotes();
    await spool.note('a', call);
    await rename(join(root, 'spool', own!), join(root, 'away'));
    await writeFile(join(root, 'spool', own!), '');
    // The next file cannot be opened; the present one still takes notes.
    await spool.note('b', call);
    while (faults.length === 0) await new Promise(setImmediate);
    await rm(join(root, 'spool', own!));
    await spool.note('c', call);
    while ((await notesOf()).length === 0) await new Promise(setImmediate);
    await spool.note('d', call);
    const [file] = await notesOf();
    expect(await readFile(join(root, 'spool', file!))).toEqual(encodeFrames(['d']));
  });
});
