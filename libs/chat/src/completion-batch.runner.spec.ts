import { describe, expect, it } from '@jest/globals';
import {
  ChatReply,
  DEFAULT_CACHE_CONTROLS,
  GatewayError,
  usage,
  type ChatCall,
  type ChatHandler,
  type Usage,
} from '@sluice/kernel';
import { ANN, answer } from '../../semantic-cache/testing/cache-calls.js';
import { CompletionBatchRunner, type BatchOptions } from './completion-batch.runner.js';
import type { ChatPipeline } from './pipeline.js';
import { WireCatalogue } from './wire/wire-catalogue.js';

const chat = (content: string) => ({ messages: [{ role: 'user', content }] });

/** Runs a batch over a pipeline that `handle` plays. */
function batch(handle: ChatHandler = async (call) => echo(call)) {
  const calls: ChatCall[] = [];
  const pipeline = {
    run: (call: ChatCall) => {
      calls.push(call);
      return handle(call);
    },
  } as unknown as ChatPipeline;
  const runner = new CompletionBatchRunner(pipeline, new WireCatalogue());
  return {
    calls,
    run: (items: BatchOptions['items'], changes: Partial<BatchOptions> = {}) =>
      runner.run({
        items,
        maxConcurrent: 2,
        caller: ANN,
        wishes: {},
        signal: new AbortController().signal,
        defaultModel: 'auto',
        ...changes,
      }),
  };
}
const question = (call: ChatCall) =>
  call.prompt.messages.map(({ parts }) => parts.map((p) => ('text' in p ? p.text : ''))).join('');
const echo = (call: ChatCall, spent: Usage = usage({ input: 2, output: 3 })) =>
  ChatReply.message({ ...answer(`echo ${question(call)}`), usage: spent });
const turn = () => new Promise(setImmediate);

describe('a batch of completions', () => {
  it('asks for each item what the request asks for', async () => {
    const { calls, run } = batch();
    const cache = { ...DEFAULT_CACHE_CONTROLS, noCache: true };
    await run([chat('one'), chat('two')], {
      wishes: { cache, session: 's', unsupported: 'drop' },
    });
    expect(calls).toMatchObject([
      { cache, session: 's', unsupported: 'drop' },
      { cache, session: 's', unsupported: 'drop' },
    ]);
  });

  it('answers each item in its own form, in the order of the items', async () => {
    const { run } = batch();
    const { results } = await run([chat('one'), { prompt: 'two' }, chat('three')]);
    expect(results).toMatchObject([
      {
        index: 0,
        status: 200,
        body: { object: 'chat.completion', choices: [{ message: { content: 'echo one' } }] },
      },
      {
        index: 1,
        status: 200,
        body: { object: 'text_completion', choices: [{ text: 'echo two' }] },
      },
      { index: 2, status: 200, body: { choices: [{ message: { content: 'echo three' } }] } },
    ]);
  });

  it('keeps that order when later items end first', async () => {
    const { run } = batch(async (call) => {
      for (let i = question(call) === 'one' ? 5 : 0; i > 0; i--) await turn();
      return echo(call);
    });
    const { results } = await run([chat('one'), chat('two'), chat('three')]);
    const said = results.map(({ body }) => /echo \w+/.exec(JSON.stringify(body))?.[0]);
    expect(said).toEqual(['echo one', 'echo two', 'echo three']);
  });

  it('sums what its items took', async () => {
    const { run } = batch(async (call) =>
      echo(call, usage({ input: question(call).length, output: 1, cachedInput: 1 })),
    );
    expect((await run([chat('a'), chat('bb'), chat('ccc')])).usage).toEqual(
      usage({ input: 6, output: 3, cachedInput: 3 }),
    );
    expect(await run([])).toEqual({ results: [], usage: usage({}) });
  });

  it.each([1, 3])(
    'runs no more than %i at once, and always as many while there are',
    async (most) => {
      let running = 0;
      const seen = new Set<number>();
      const { run } = batch(async (call) => {
        seen.add(++running);
        await turn();
        running--;
        return echo(call);
      });
      await run(
        Array.from({ length: 7 }, (_, i) => chat(`${i}`)),
        { maxConcurrent: most },
      );
      expect(Math.max(...seen)).toBe(most);
      expect(running).toBe(0);
    },
  );

  it('makes each item a call of the caller with an id of its own, whole and never streamed', async () => {
    const { run, calls } = batch();
    const signal = new AbortController().signal;
    const items = [{ ...chat('one'), model: 'large', stream: true }, chat('two')];
    await run(items, { wishes: { agent: 'indexer/1' }, signal });
    expect(calls.map(({ model, stream }) => [model, stream])).toEqual([
      ['large', false],
      ['auto', false],
    ]);
    for (const call of calls) {
      expect(call).toMatchObject({
        caller: ANN,
        agent: 'indexer/1',
        route: '/v1/completions/batch',
      });
      expect(call.signal).toBe(signal);
      expect(call.body).toMatchObject({ model: call.model, stream: false });
    }
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
  });

  it('passes on what an upstream of the same dialect said, untouched', async () => {
    const body = { id: 'x', object: 'chat.completion', system_fingerprint: 'fp' };
    const { run } = batch(async () =>
      ChatReply.message(answer('hi'), { wire: { dialect: 'openai-chat', body } }),
    );
    const { results } = await run([chat('one'), { prompt: 'two' }]);
    expect(results[0]?.body).toBe(body);
    // Another dialect's words are translated.
    expect(results[1]?.body).toMatchObject({ object: 'text_completion' });
  });
});

describe('an item that fails', () => {
  it('is its own result, as the door would tell it; the others are answered', async () => {
    const { run } = batch(async (call) => {
      if (question(call) === 'bad') throw new GatewayError('rate_limited', 'slow down');
      if (question(call) === 'bug') throw new TypeError('secrets');
      return echo(call);
    });
    const { results, usage: sum } = await run([chat('bad'), chat('good'), chat('bug')]);
    expect(results).toMatchObject([
      { index: 0, status: 429, error: { code: 'rate_limited', message: 'slow down' } },
      { index: 1, status: 200 },
      { index: 2, status: 500, error: { code: 'internal' } },
    ]);
    expect(JSON.stringify(results)).not.toContain('secrets');
    expect(results[0]).not.toHaveProperty('body');
    expect(sum).toEqual(usage({ input: 2, output: 3 }));
  });

  it('need not have been a question at all', async () => {
    const { run, calls } = batch();
    const { results } = await run([{ messages: 'hi' }, { prompt: 7 }, { model: 7, prompt: 'x' }]);
    expect(results).toMatchObject([
      { status: 400, error: { param: 'messages' } },
      { status: 400, error: { param: 'prompt' } },
      { status: 400, error: { param: 'model' } },
    ]);
    expect(calls).toHaveLength(0);
  });

  it('is every item that was still open when the caller left', async () => {
    const leaving = new AbortController();
    const { run } = batch(async (call) => {
      if (call.signal.aborted) throw new GatewayError('client_closed', 'The caller left.');
      if (question(call) === 'two') leaving.abort();
      return echo(call);
    });
    const items = ['one', 'two', 'three', 'four'].map(chat);
    const { results } = await run(items, { maxConcurrent: 1, signal: leaving.signal });
    expect(results.map(({ status }) => status)).toEqual([200, 200, 499, 499]);
  });
});
