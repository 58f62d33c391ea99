import { describe, expect, it } from '@jest/globals';
import { Metrics } from '@sluice/observability';
import { OpenCallNotes } from './spool/open-call.log.js';
import { anEvent } from './testing/usage-events.js';
import { UsageMetrics } from './usage.metrics.js';
import { UsageRecorder } from './usage.recorder.js';

function aRecorder(stalled: boolean) {
  const appended: string[] = [];
  const ended: OpenCallNotes[] = [];
  const metrics = new Metrics();
  const spool = {
    stalled,
    append: async (payload: string, notes?: OpenCallNotes) => {
      appended.push(payload);
      if (notes !== undefined) ended.push(notes);
    },
    note: () => {
      throw new Error('ENOSPC');
    },
  };
  const recorder = new UsageRecorder(spool as never, new UsageMetrics(metrics));
  const dropped = async () =>
    /sluice_usage_dropped_total (\d+)/.exec(await metrics.registry.metrics())?.[1];
  return { recorder, appended, ended, dropped };
}
const free = anEvent({ costMicroUsd: 0, outcome: 'refused' });

describe('while the disk is full', () => {
  it('a call that cost nothing is counted and not kept in memory: refusals come without end', async () => {
    const { recorder, appended, dropped } = aRecorder(true);
    await recorder.record(free);
    expect(appended).toEqual([]);
    expect(await dropped()).toBe('1');
  });

  it('a bill is kept, and so is the end of a call that was noted', async () => {
    const { recorder, appended, ended } = aRecorder(true);
    const notes = new OpenCallNotes();
    await recorder.record(anEvent({ costMicroUsd: 1 }));
    await recorder.record(free, notes);
    expect(appended).toHaveLength(2);
    expect(ended).toEqual([notes]);
  });

  it('no call is sent to a provider that would bill it', () => {
    const { recorder } = aRecorder(true);
    expect(() => recorder.note(free, new OpenCallNotes())).toThrow('Usage cannot be recorded');
  });
});

it('everything is kept while the disk is not full', async () => {
  const { recorder, appended } = aRecorder(false);
  await recorder.record(free);
  expect(appended).toHaveLength(1);
});
