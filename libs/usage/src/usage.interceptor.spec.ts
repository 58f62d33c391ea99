import { beforeEach, describe, expect, it } from '@jest/globals';
import { configFromObjects } from '@sluice/config';
import {
  ChatCall,
  ChatChunk,
  ChatReply,
  GatewayError,
  ManualClock,
  MessageAssembler,
  uuidv7,
  type AttemptFact,
  type ChatCallInit,
} from '@sluice/kernel';
import { SilentLogger } from '@sluice/observability';
import { tokens } from './testing/usage-events.js';
import type { UsageEvent } from './usage-event.js';
import { correctionOf, type EndedCall } from './usage-event.builder.js';
import { UsageInterceptor } from './usage.interceptor.js';

const events: UsageEvent[] = [];
const offered: EndedCall[] = [];
const clock = new ManualClock();
let interceptor: UsageInterceptor;

beforeEach(() => {
  events.length = 0;
  offered.length = 0;
  interceptor = new UsageInterceptor(
    // The interceptor uses nothing else of the two.
    { record: (event: UsageEvent) => Promise.resolve(void events.push(event)) } as never,
    { offer: (ended: EndedCall) => void offered.push(ended) } as never,
    configFromObjects(),
    clock,
    new SilentLogger(),
  );
});

function aCall(init: Partial<ChatCallInit> = {}): ChatCall {
  return new ChatCall({
    id: uuidv7(),
    caller: { tenant: 'acme', id: 'alice', kind: 'key', tier: 'paid', scopes: [], keyId: 'k1' },
    dialect: 'openai-chat',
    model: 'auto',
    stream: false,
    body: {},
    signal: new AbortController().signal,
    parse: () => ({ messages: [] }),
    startedAt: clock.monotonic(),
    route: '/v1/chat/completions',
    ...init,
  });
}
function attempt(call: ChatCall, changes: Partial<AttemptFact> = {}): void {
  call.journal.attempts.push({
    model: 'm',
    provider: 'p',
    startedAt: 0,
    outcome: 'completed',
    ...changes,
  });
}
const bill = { usage: tokens(10, 5), costMicroUsd: 40 };
const message = () => {
  const assembler = new MessageAssembler();
  assembler.addEvent({ type: 'text', choice: 0, text: 'hi' });
  return assembler.message();
};
const answer = () => ChatReply.message(message(), { bill });
async function* chunks(fail = false) {
  yield ChatChunk.of({ type: 'text', choice: 0, text: 'a' });
  await Promise.resolve();
  if (fail) throw new GatewayError('upstream_error', 'cut');
  yield ChatChunk.of({ type: 'text', choice: 0, text: 'b' });
}
const stream = (fail = false) => ChatReply.stream(chunks(fail), () => bill);
const turn = () => new Promise(setImmediate);

async function run(
  call: ChatCall,
  answerWith: () => Promise<ChatReply>,
  read: (reply: ChatReply) => unknown,
) {
  const reply = await interceptor.around(call, answerWith);
  await read(reply);
  await turn();
}

describe('UsageInterceptor records exactly one event when a call', () => {
  it('names a model that there is not: one row in every report, and what was asked for beside it', async () => {
    const refused = new GatewayError('model_not_found', "Model 'gtp' does not exist.");
    const call = aCall({ model: 'gtp' });
    await expect(interceptor.around(call, () => Promise.reject(refused))).rejects.toBe(refused);
    await turn();
    expect(events).toMatchObject([{ model: 'unknown', requestedModel: 'gtp', status: 404 }]);
  });
  it('is completed', async () => {
    const call = aCall();
    attempt(call);
    await run(
      call,
      async () => answer(),
      (reply) => reply.take(),
    );
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      requestId: call.id,
      tenant: 'acme',
      caller: 'alice',
      keyId: 'k1',
      model: 'm',
      provider: 'p',
      outcome: 'completed',
      status: 200,
      costMicroUsd: 40,
      usage: tokens(10, 5),
      attempts: 1,
    });
    expect(offered).toHaveLength(1);
  });

  it('is streamed to its end', async () => {
    const call = aCall();
    attempt(call);
    await run(
      call,
      async () => stream(),
      async (reply) => {
        for await (const _ of reply.chunks());
      },
    );
    expect(events.map((event) => event.outcome)).toEqual(['completed']);
  });

  it('breaks off after the first event', async () => {
    const call = aCall();
    attempt(call, { outcome: 'failed' });
    await run(
      call,
      async () => stream(true),
      async (reply) => {
        await expect(async () => {
          for await (const _ of reply.chunks());
        }).rejects.toThrow('cut');
      },
    );
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      outcome: 'failed',
      status: 502,
      errorCode: 'upstream_error',
      costMicroUsd: 40,
    });
  });

  it('is left before the first pull', async () => {
    await run(
      aCall(),
      async () => stream(),
      (reply) => reply.abandon(),
    );
    expect(events.map(({ outcome, status }) => [outcome, status])).toEqual([['abandoned', 499]]);
  });

  it('is left midway', async () => {
    await run(
      aCall(),
      async () => stream(),
      async (reply) => {
        for await (const _ of reply.chunks()) break;
      },
    );
    expect(events.map((event) => event.outcome)).toEqual(['abandoned']);
  });

  it('is refused by the next room', async () => {
    const call = aCall();
    const refused = run(
      call,
      () => Promise.reject(new GatewayError('budget_exhausted', 'no money')),
      () => undefined,
    );
    await expect(refused).rejects.toThrow('no money');
    await turn();
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      outcome: 'refused',
      status: 402,
      errorCode: 'budget_exhausted',
      costMicroUsd: 0,
      provider: '',
    });
  });

  it('fails at every provider, and bills what the attempts have cost', async () => {
    const call = aCall();
    attempt(call, { outcome: 'failed', costMicroUsd: 7, usage: tokens(3, 0) });
    attempt(call, { outcome: 'failed' });
    const failed = run(
      call,
      () =>
        Promise.reject(
          new GatewayError('upstream_timeout', 'slow', {
            bill: { usage: tokens(3, 0), costMicroUsd: 7 },
          }),
        ),
      () => undefined,
    );
    await expect(failed).rejects.toThrow('slow');
    await turn();
    expect(events[0]).toMatchObject({
      outcome: 'failed',
      status: 504,
      costMicroUsd: 7,
      usage: tokens(3, 0),
      attempts: 2,
    });
  });

  it('is left while nothing has answered yet', async () => {
    const left = new AbortController();
    const call = aCall({ signal: left.signal });
    left.abort();
    const gone = run(
      call,
      () => Promise.reject(new Error('aborted')),
      () => undefined,
    );
    await expect(gone).rejects.toThrow('aborted');
    await turn();
    expect(events[0]).toMatchObject({ outcome: 'abandoned', status: 499 });
  });

  it.each([
    ['hit', 'hit', { cache: 9, routing: 0, coalescing: 0 }],
    ['semantic', 'hit', { cache: 9, routing: 0, coalescing: 0 }],
    ['coalesced', 'coalesced', { cache: 0, routing: 0, coalescing: 9 }],
  ] as const)('is answered by a %s', async (verdict, outcome, saved) => {
    const call = aCall();
    call.journal.cache = { verdict, savedMicroUsd: 9, answeredBy: { model: 'big', provider: 'p' } };
    await run(
      call,
      async () => ChatReply.message(message()),
      (reply) => reply.take(),
    );
    expect(events[0]).toMatchObject({
      outcome,
      saved,
      cache: verdict,
      model: 'big',
      provider: 'p',
      costMicroUsd: 0,
    });
  });
});

describe('a usage event', () => {
  it('takes the bill of the reply, which covers failed attempts too, and adds nothing to it', async () => {
    const call = aCall();
    attempt(call, { outcome: 'failed', costMicroUsd: 5, usage: tokens(2, 0) });
    attempt(call, { costMicroUsd: 40, usage: tokens(10, 5) });
    await run(
      call,
      async () => answer(),
      (reply) => reply.take(),
    );
    expect(events[0]).toMatchObject({ costMicroUsd: 40, usage: tokens(10, 5) });
  });

  it('says what routing saved against the dearest candidate, never less than nothing', async () => {
    for (const [dear, saved] of [
      [10, 110],
      [0, 0],
    ] as const) {
      const call = aCall();
      attempt(call);
      call.journal.routing = {
        requested: 'auto',
        reason: 'keywords',
        chosen: 'm',
        alternativeMicroUsdPerToken: { input: dear, output: dear },
      };
      await run(
        call,
        async () => answer(),
        (reply) => reply.take(),
      );
      expect(events.at(-1)?.saved.routing).toBe(saved);
    }
  });

  it('tells the gateway’s own time from the provider’s', async () => {
    const call = aCall();
    attempt(call);
    const reply = await interceptor.around(call, async () => answer());
    clock.advance(100);
    call.journal.upstreamMs = 98;
    call.journal.firstTokenAt = call.startedAt + 90;
    reply.take();
    await turn();
    expect(events[0]).toMatchObject({ durationUs: 100_000, overheadUs: 2_000, ttftUs: 90_000 });
  });

  it('gets an id of its own when the call has none that a database takes', async () => {
    const call = aCall({ id: 'req-1' });
    await run(
      call,
      async () => answer(),
      (reply) => reply.take(),
    );
    expect(events[0]?.requestId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it('is made in the next turn, of as many calls as a busy turn can end, and of thousands in the turns after it', async () => {
    const end = async (calls: number) => {
      for (let n = 0; n < calls; n += 1)
        (await interceptor.around(aCall(), async () => answer())).take();
    };
    await end(100);
    await turn();
    expect(events).toHaveLength(100);
    await end(1_000);
    await turn();
    expect(events.length).toBeLessThan(1_000);
    while (events.length < 1_100) await turn();
  });

  it('is handed over at the shutdown even when its turn has not come', async () => {
    for (let n = 0; n < 100; n += 1)
      (await interceptor.around(aCall(), async () => answer())).take();
    interceptor.flush();
    expect(events).toHaveLength(100);
    await turn();
    expect(events).toHaveLength(100);
  });

  it('is corrected by another event that names it', async () => {
    const call = aCall();
    await run(
      call,
      async () => answer(),
      (reply) => reply.take(),
    );
    const [event] = events;
    const correction = correctionOf(
      event!,
      { costMicroUsd: -13, usage: { output: -2 } },
      event!.at + 5,
    );
    expect(correction).toMatchObject({
      corrects: call.id,
      costMicroUsd: -13,
      usage: tokens(0, -2),
      at: event!.at + 5,
    });
    expect(correction.requestId).not.toBe(call.id);
  });
});
