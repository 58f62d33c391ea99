import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@sluice/kernel';
import { answer } from '../../testing/cache-calls.js';
import { answerToText } from '../exact/cached-answer.js';
import { ValueCodec } from '../exact/value-codec.js';
import type { VectorMatch } from '../stores/vector-store.js';
import { NeighbourReader } from './neighbour-reader.js';
import type { Question } from './question.js';

const clock = new ManualClock();
const codec = new ValueCodec(undefined);
let faults: unknown[];
let reader: NeighbourReader;
beforeEach(() => {
  faults = [];
  reader = new NeighbourReader({ codec, clock, onFault: (error) => faults.push(error) });
});

const ask = (text: string): Question => ({
  text,
  context: '',
  scope: 's',
  fingerprint: 'f',
  key: 'k',
});

async function stored(text: string, says: string, similarity = 0.9): Promise<VectorMatch> {
  const id = `${text} ${says}`;
  const kept = {
    message: answer(says),
    costMicroUsd: 1,
    storedAt: clock.now(),
    expiresAt: clock.now() + 60_000,
  };
  return {
    id,
    key: 'a:b:c:d',
    text: await codec.encode(id, text, Infinity),
    answer: await codec.encode(id, answerToText(kept), Infinity),
    storedAt: kept.storedAt,
    expiresAt: kept.expiresAt,
    similarity,
    context: 1,
  };
}

const RESET = 'How do I reset my card pin?';
const ASKED = 'How can I reset my card pin when travelling?';
const APP = 'In the app, under security.';
const BRANCH = 'Only a branch of the bank does that, bring your passport.';

const score = async (matches: readonly VectorMatch[]) => {
  const { candidate } = await reader.read(ask(ASKED), matches, 'lexical');
  return candidate?.score ?? 0;
};

describe('NeighbourReader', () => {
  it('is surer where another near question has the same answer, less sure where it has another', async () => {
    const near = await stored(RESET, APP);
    const alone = await score([near]);
    const helped = await score([near, await stored('How to reset my card pin', APP)]);
    const contested = await score([near, await stored('How to reset my card pin', BRANCH)]);
    expect(helped).toBeGreaterThan(alone);
    expect(contested).toBeLessThan(alone);
    expect(faults).toEqual([]);
  });

  it('takes a verbatim repeat whatever its neighbours answer', async () => {
    const matches = [
      await stored('How to reset my card pin', BRANCH),
      await stored(ASKED.toUpperCase(), APP),
    ];
    const { candidate } = await reader.read(ask(ASKED), matches, 'lexical');
    expect(candidate).toMatchObject({ verbatim: true });
    expect(candidate?.answer.message.choices).toEqual(answer(APP).choices);
  });

  it('serves the others when one of them cannot be read, and tells of the fault', async () => {
    const near = await stored(RESET, APP);
    const torn = { ...(await stored('How to reset my card pin', APP)), answer: 'x' };
    expect(await score([torn, near])).toBe(await score([near]));
    expect(faults.length).toBeGreaterThan(0);
  });

  it('knows which candidates nobody speaks for', async () => {
    const near = await stored(RESET, APP);
    const company = await stored('How to reset my card pin', APP);
    const found = async (matches: readonly VectorMatch[]) =>
      (await reader.read(ask(ASKED), matches, 'lexical')).candidate;
    expect(await found([near])).toMatchObject({ alone: true });
    expect(await found([near, company])).toMatchObject({ alone: false });
  });

  it('does not believe a similarity that no two texts can have', async () => {
    const near = await stored(RESET, APP);
    faults.length = 0;
    expect(await score([{ ...near, similarity: 1e6 }])).toBe(0);
    expect(faults).toHaveLength(1);
  });

  it('finds nothing among the expired, the far and the unreadable', async () => {
    const near = await stored(RESET, APP);
    const useless = [
      { ...near, expiresAt: clock.now() },
      { ...near, similarity: 0.2 },
      { ...near, text: 'x' },
      { ...near, answer: 'x' },
    ];
    for (const match of useless) {
      expect(await reader.read(ask(ASKED), [match], 'lexical')).toEqual({
        candidate: undefined,
        vetoes: [],
      });
    }
  });
});
