import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import * as fs from 'node:fs/promises';

/** The kernel's files as this process sees them. */
const proc = new Map<string, string>();
const read = (path: string): Promise<string> => {
  const text = proc.get(path);
  return text === undefined ? Promise.reject(new Error(`ENOENT ${path}`)) : Promise.resolve(text);
};
jest.unstable_mockModule('node:fs/promises', () => ({ ...fs, readFile: read, readlink: read }));
const { liveness, ownIdentity } = await import('./process.identity.js');

/** `/proc/<pid>/stat`: the state is the third field, the start time in ticks the 22nd. */
const stat = (pid: number, command: string, state: string, start: string) => {
  const between = Array.from({ length: 18 }, (_, i) => i);
  return `${pid} (${command}) ${state} ${between.join(' ')} ${start} 0 0\n`;
};
const run = (pid: number, start: string, { command = 'node', state = 'S' } = {}) =>
  proc.set(`/proc/${pid}/stat`, stat(pid, command, state, start));

beforeEach(() => {
  proc.clear();
  proc.set('/proc/sys/kernel/random/boot_id', 'boot-1\n');
  proc.set('/proc/self/ns/pid', 'pid:[4026531836]');
  run(process.pid, '5000');
});

describe('the identity of a process', () => {
  it('is its pid, when it began, and where that pid means anything', async () => {
    expect(await ownIdentity()).toEqual({
      pid: process.pid,
      start: '5000',
      realm: 'boot-1 pid:[4026531836]',
    });
  });

  it('is found behind a name with spaces and parentheses', async () => {
    run(process.pid, '6000', { command: 'node) S 1 (x' });
    expect((await ownIdentity()).start).toBe('6000');
  });

  it('has no realm where there is no /proc: then only heartbeats count', async () => {
    proc.clear();
    const self = await ownIdentity();
    expect(self).toMatchObject({ pid: process.pid, realm: '' });
    expect(Number(self.start)).toBeLessThanOrEqual(Date.now());
    expect(await liveness(self, self)).toBe('unknown');
  });
});

describe('another process', () => {
  const self = { pid: 1, start: '1', realm: 'boot-1 pid:[4026531836]' };
  const other = { ...self, pid: 77, start: '900' };

  it('is alive while a process of its pid runs that began when it did', async () => {
    run(77, '900');
    expect(await liveness(other, self)).toBe('alive');
  });

  it.each([
    ['nobody has its pid', () => undefined],
    ['somebody else has got its pid', () => run(77, '901')],
    ['it has exited and waits for its parent', () => run(77, '900', { state: 'Z' })],
  ])('is dead when %s', async (_how, happen) => {
    happen();
    expect(await liveness(other, self)).toBe('dead');
  });

  it.each([
    ['of an earlier boot', 'boot-0 pid:[4026531836]'],
    ['in another container', 'boot-1 pid:[4026532000]'],
    ['of nowhere', ''],
  ])('%s cannot be judged from here, even with the same pid', async (_where, realm) => {
    run(77, '900');
    expect(await liveness({ ...other, realm }, self)).toBe('unknown');
  });
});
