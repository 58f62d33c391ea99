import { beforeEach, describe, expect, it } from '@jest/globals';
import { configFromObjects } from '@sluice/config';
import {
  ChatCall,
  ChatReply,
  GatewayError,
  ManualClock,
  MessageAssembler,
  uuidv7,
  type ExpectedSpend,
  type SpendHold,
  type Target,
} from '@sluice/kernel';
import { SilentLogger } from '@sluice/observability';
import type { OpenCallNotes } from '../spool/open-call.log.js';
import { tokens } from '../testing/usage-events.js';
import type { UsageEvent } from '../usage-event.js';
import { UsageInterceptor } from '../usage.interceptor.js';
import { PaidCallInterceptor } from './paid-call.interceptor.js';

/** One micro-USD a token in, two a token out. */
const target: Target = {
  model: 'm',
  provider: 'p',
  upstream: 'm',
  price: { input: 1, output: 2 },
  grade: undefined,
  capabilities: [],
  contextTokens: undefined,
  maxOutputTokens: undefined,
};
const expected: ExpectedSpend = {
  earlier: { usage: tokens(0, 0), costMicroUsd: 0 },
  usage: tokens(10, 20),
};

let clock: ManualClock;
let notes: UsageEvent[];
let events: UsageEvent[];
let served: (OpenCallNotes | undefined)[];
let full: boolean;
let usage: UsageInterceptor;
let paid: PaidCallInterceptor;

beforeEach(() => {
  clock = new ManualClock();
  notes = [];
  events = [];
  served = [];
  full = false;
  const recorder = {
    note: (event: UsageEvent) => {
      if (full) throw new GatewayError('overloaded', 'no place');
      notes.push(event);
    },
    record: async (event: UsageEvent, of?: OpenCallNotes) => {
      events.push(event);
      served.push(of);
    },
  } as never;
  const config = configFromObjects();
  const history = { offer: () => undefined } as never;
  usage = new UsageInterceptor(recorder, history, config, clock, new SilentLogger());
  paid = new PaidCallInterceptor(recorder, config, clock);
});

function aCall(hold: Partial<SpendHold> = {}): ChatCall {
  const call = new ChatCall({
    id: uuidv7(),
    caller: { tenant: 'acme', id: 'alice', kind: 'key', tier: 'paid', scopes: [], keyId: 'k1' },
    dialect: 'openai-chat',
    model: 'auto',
    stream: false,
    body: {},
    signal: new AbortController().signal,
    parse: () => ({ messages: [] }),
    startedAt: clock.monotonic(),
  });
  call.hold = {
    cover: async () => {
      call.journal.expected = expected;
    },
    sending: () => undefined,
    progress: () => 'go',
    ...hold,
  };
  return call;
}
const answer = () =>
  ChatReply.message(new MessageAssembler().message(), {
    bill: { usage: tokens(10, 5), costMicroUsd: 20 },
  });
async function run(call: ChatCall, upstream: (call: ChatCall) => Promise<ChatReply>) {
  const reply = await usage.around(call, (inner) => paid.around(inner, upstream));
  reply.take();
  await new Promise(setImmediate);
}

describe('a call that is about to cost something', () => {
  it('is noted, once it is covered and before it goes upstream, as it will probably end', async () => {
    const call = aCall();
    await run(call, async (inner) => {
      expect(notes).toEqual([]);
      await inner.hold.cover(target);
      expect(notes).toHaveLength(1);
      return answer();
    });
    expect(notes[0]).toMatchObject({
      requestId: call.id,
      tenant: 'acme',
      caller: 'alice',
      keyId: 'k1',
      model: 'm',
      provider: 'p',
      outcome: 'interrupted',
      usage: { input: 10, output: 20, estimated: true },
      costMicroUsd: 50,
      attempts: 1,
    });
  });

  it('has one key in its note and in its event, whenever it ends: only one of the two can be stored', async () => {
    await run(aCall(), async (inner) => {
      await inner.hold.cover(target);
      clock.advance(5_000);
      return answer();
    });
    const key = ({ requestId, at }: UsageEvent) => ({ requestId, at });
    expect(events).toHaveLength(1);
    expect(key(events[0]!)).toEqual(key(notes[0]!));
    expect(events[0]).toMatchObject({ outcome: 'completed', costMicroUsd: 20 });
    expect(served[0]).toBeDefined();
  });

  it('is not noted when it costs nothing, and not when it is refused', async () => {
    await run(aCall(), async () => answer());
    expect(served).toEqual([undefined]);
    const refusal = new GatewayError('budget_exhausted', 'no money');
    const refused = aCall({ cover: () => Promise.reject(refusal) });
    const upstream = async (inner: ChatCall) => {
      await inner.hold.cover(target);
      return answer();
    };
    await expect(run(refused, upstream)).rejects.toBe(refusal);
    expect(notes).toEqual([]);
  });

  it('is refused when there is no place for its note', async () => {
    full = true;
    const refused = run(aCall(), async (inner) => {
      await inner.hold.cover(target);
      return answer();
    });
    await expect(refused).rejects.toMatchObject({ code: 'overloaded' });
  });

  it('counts what earlier attempts have cost', async () => {
    const earlier = { usage: tokens(10, 3), costMicroUsd: 16 };
    const spends = [expected, { ...expected, earlier }];
    const call = aCall({
      cover: async () => {
        call.journal.expected = spends.shift();
      },
    });
    await run(call, async (inner) => {
      await inner.hold.cover(target);
      inner.journal.attempts.push({ model: 'm', provider: 'p', startedAt: 0, outcome: 'failed' });
      await inner.hold.cover({ ...target, model: 'other' });
      return answer();
    });
    expect(notes.map(({ attempts, costMicroUsd }) => [attempts, costMicroUsd])).toEqual([
      [1, 50],
      [2, 66],
    ]);
    expect(notes[1]).toMatchObject({ model: 'other', usage: { input: 20, output: 23 } });
  });

  it('is noted again as its answer grows, once a second, for what has been written by then', async () => {
    await run(aCall(), async (inner) => {
      await inner.hold.cover(target);
      for (let second = 1; second <= 3; second += 1) {
        clock.advance(600);
        await inner.hold.progress(second * 100);
      }
      return answer();
    });
    expect(notes.map(({ usage: { output }, costMicroUsd }) => [output, costMicroUsd])).toEqual([
      [20, 50],
      [200, 410],
    ]);
  });

  it('is not noted any more when it has ended: nothing would take the note back', async () => {
    let late: ChatCall | undefined;
    await run(aCall(), async (inner) => {
      late = inner;
      return answer();
    });
    await expect((async () => late?.hold.cover(target))()).rejects.toMatchObject({
      code: 'client_closed',
    });
    expect(notes).toEqual([]);
  });
});
