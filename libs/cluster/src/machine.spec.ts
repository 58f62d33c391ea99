import { describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { TestMachine } from '../testing/machine.js';
import { ClusterModule } from './cluster.module.js';
import { MachineLink, SoleProcess } from './machine.link.js';

describe('MachineLink and MachineHost', () => {
  it('gives every worker the answers of one and the same service, each to its own question', async () => {
    let count = 0;
    const machine = new TestMachine({ counter: { add: (by: number) => (count += by) } });
    const [a, b] = [machine.worker().link, machine.worker().link];
    const asked = [a, b, a, b].map((link) => link.call<number>('counter', 'add', [1]));
    expect((await Promise.all(asked)).toSorted()).toEqual([1, 2, 3, 4]);
    expect(count).toBe(4);
  });

  it('carries typed arrays, and answers that come later', async () => {
    const machine = new TestMachine({
      vectors: { double: async (v: Float32Array) => v.map((x) => 2 * x) },
    });
    const { link } = machine.worker();
    const answer = await link.call<Float32Array>('vectors', 'double', [new Float32Array([1, 2])]);
    expect([...answer]).toEqual([2, 4]);
  });

  it('tells the worker what a service threw, at once or later, and what does not exist', async () => {
    const machine = new TestMachine({
      bad: {
        now: () => {
          throw new Error('no now');
        },
        later: () => Promise.reject(Object.assign(new Error('no later'), { code: 'late' })),
      },
    });
    const { link } = machine.worker();
    await expect(link.call('bad', 'now', [])).rejects.toThrow('no now');
    await expect(link.call('bad', 'later', [])).rejects.toMatchObject({
      message: 'no later',
      code: 'late',
    });
    await expect(link.call('bad', 'toString', [])).rejects.toThrow('no service bad.toString');
    await expect(link.call('none', 'x', [])).rejects.toThrow('no service none.x');
  });

  it('tells what one worker publishes to the others, not to itself', async () => {
    const machine = new TestMachine({ sync: { wait: () => true } });
    const links = [1, 2, 3].map(() => machine.worker().link);
    const heard: string[] = [];
    links.forEach((link, i) => link.subscribe('news', (text) => heard.push(`${i} ${text}`)));
    links[0]?.publish('news', 'hello');
    // Messages keep their order, so that an answer to a later question comes after the news.
    await Promise.all(links.map((link) => link.call('sync', 'wait', [])));
    await Promise.all(links.map((link) => link.call('sync', 'wait', [])));
    expect(heard).toEqual(['1 hello', '2 hello']);
  });

  it('lets the owner ask its workers, and does not wait for those that are gone or cannot say', async () => {
    const machine = new TestMachine({});
    const [one, mute, dead] = [machine.worker(), machine.worker(), machine.worker()];
    one.link.onAsked('metrics', async () => ['x']);
    expect(await machine.host.ask(one.port, 'metrics', 10_000)).toEqual(['x']);
    expect(await machine.host.ask(mute.port, 'metrics', 10_000)).toBeUndefined();
    const asked = machine.host.ask(dead.port, 'metrics', 10_000);
    dead.die();
    expect(await asked).toBeUndefined();
  });

  it('marks one worker as the first, and a process that serves alone as well', () => {
    const machine = new TestMachine({});
    expect([machine.worker().link.first, machine.worker().link.first]).toEqual([true, false]);
    expect(new SoleProcess()).toMatchObject({ enabled: false, first: true });
  });

  it('has nobody to talk to where a process serves alone', async () => {
    const sole = new SoleProcess();
    await expect(sole.call()).rejects.toThrow('this process serves alone');
    for (const tell of [() => sole.publish(), () => sole.subscribe(), () => sole.onAsked()]) {
      expect(tell).not.toThrow();
    }
  });

  it('is bound for every room by its module', async () => {
    const sole = new SoleProcess();
    const app = await Test.createTestingModule({ imports: [ClusterModule.with(sole)] }).compile();
    expect(app.get(MachineLink)).toBe(sole);
    await app.close();
  });
});
