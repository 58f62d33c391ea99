import { describe, expect, it } from '@jest/globals';
import { configFromObjects, type SluiceConfigInput } from '@sluice/config';
import {
  ChatChunk,
  ChatReply,
  GatewayError,
  MessageAssembler,
  eventsOf,
  textOf,
  usage,
  type ChatCall,
  type ChatCallInit,
  type ChatHandler,
  type ChatMessage,
  type Part,
  type ReplyEnd,
} from '@sluice/kernel';
import { answer, ask } from '../../semantic-cache/testing/cache-calls.js';
import { EnsembleRunner } from './ensemble.runner.js';

type Ensemble = Omit<NonNullable<SluiceConfigInput['ensembles']>[number], 'id' | 'models'>;
/** What a member does: a text or message is its answer, an error what it throws. */
type Member = string | ChatMessage | Error | ChatHandler;

const model = (id: string, grade: 'simple' | 'medium' | 'complex') =>
  ({ id, provider: 'p', grade }) as const;
const down = (code: 'upstream_error' | 'rate_limited' = 'upstream_error') =>
  new GatewayError(code, `${code} of a member`);

function choir(members: Readonly<Record<string, Member>>, ensemble: Ensemble = {}) {
  const config = configFromObjects({
    sluice: {
      providers: [{ id: 'p', kind: 'sandbox' }],
      models: [model('a', 'simple'), model('b', 'complex'), model('c', 'medium')],
      ensembles: [{ id: 'choir', models: ['a', 'b', 'c'], ...ensemble }],
    },
  });
  const runner = new EnsembleRunner(config);
  const calls: ChatCall[] = [];
  const pipeline: ChatHandler = async (call) => {
    calls.push(call);
    const member = members[call.model] ?? down();
    if (typeof member === 'function') return member(call);
    if (member instanceof Error) throw member;
    return ChatReply.message(typeof member === 'string' ? answer(member) : member);
  };
  return {
    calls,
    run: (changes: Partial<ChatCallInit> = {}) =>
      runner.run(ask('How many?', { model: 'choir', ...changes }), runner.find('choir')!, pipeline),
    find: (id: string) => runner.find(id),
  };
}

/** Says nothing until it is told to stop, and then what the engine says. */
function mute({ signal }: ChatCall): Promise<never> {
  const left = () => new GatewayError('client_closed', 'The caller left.');
  return new Promise((_, reject) => {
    if (signal.aborted) reject(left());
    signal.addEventListener('abort', () => reject(left()), { once: true });
  });
}

const said = (message: ChatMessage) => textOf(message.choices[0]?.parts ?? []);
const says = async (reply: Promise<ChatReply>) => said((await reply).take());
const toolCall = (args: string): ChatMessage =>
  answer([{ type: 'tool_call', id: 'c', name: 'pay', arguments: args }] as readonly Part[]);

describe('an ensemble', () => {
  it('is found by its id', () => {
    const { find } = choir({});
    expect(find('choir')?.models).toEqual(['a', 'b', 'c']);
    expect(find('none')).toBeUndefined();
  });

  it('asks each member the same under the caller’s identity, in a call of its own', async () => {
    const { run, calls } = choir({ a: '1', b: '1', c: '1' }, { strategy: 'vote' });
    await run({ stream: true, agent: 'agent/1', session: 's1' });
    expect(calls.map((call) => call.model)).toEqual(['a', 'b', 'c']);
    expect(new Set(calls.map((call) => call.id)).size).toBe(3);
    for (const call of calls) {
      expect(call).toMatchObject({ stream: false, agent: 'agent/1', session: 's1' });
      expect(call.caller.id).toBe('ann@acme.example');
      expect(call.dialect).toBe('openai-chat');
      // As the caller wrote it, but whole: members are compared before anything is said.
      expect(call.body).toMatchObject({ messages: [{ content: 'How many?' }], stream: false });
    }
  });

  it('asks no more members than it may', async () => {
    const { run, calls } = choir({ a: '1', b: '1', c: '1' }, { strategy: 'vote', maxModels: 2 });
    await run();
    expect(calls.map((call) => call.model)).toEqual(['a', 'b']);
  });

  it.each([false, true])('answers as the caller asked for it: streamed %s', async (stream) => {
    const { run } = choir({ a: 'four' });
    const reply = await run({ stream });
    const ends: ReplyEnd[] = [];
    reply.observe({ onEnd: (end) => ends.push(end) });
    let message: ChatMessage;
    if (stream) {
      const assembler = new MessageAssembler();
      for await (const chunk of reply.chunks()) assembler.add(chunk);
      message = assembler.message();
    } else {
      message = reply.take();
    }
    expect(said(message)).toBe('four');
    expect(message.usage).toEqual(usage({ input: 12, output: 34 }));
    // The members have paid: the ensemble itself costs nothing.
    expect(ends).toMatchObject([{ outcome: 'completed', costMicroUsd: 0, usage: usage({}) }]);
    expect(said(ends[0]!.message!())).toBe('four');
  });

  it('reads members that stream, whoever made them so', async () => {
    const streamed = (...said: string[]): ChatHandler => {
      async function* chunks() {
        for (const text of said) {
          for (const event of eventsOf(answer(text))) yield ChatChunk.of(event);
        }
      }
      return async () => ChatReply.stream(chunks(), () => ({ usage: usage({}), costMicroUsd: 0 }));
    };
    expect(await says(choir({ a: streamed('four') }).run())).toBe('four');
    await expect(choir({ a: streamed() }).run()).rejects.toMatchObject({
      code: 'upstream_error',
      message: 'The upstream answered with an empty stream.',
    });
  });
});

describe('the strategy `first`', () => {
  it('takes the first answer, passes failures over, and stops who is still running', async () => {
    const stopped: string[] = [];
    const slow: ChatHandler = (call) => {
      call.signal.addEventListener('abort', () => stopped.push(call.model));
      return mute(call);
    };
    const { run } = choir({ a: slow, b: down(), c: 'from c' }, { strategy: 'first' });
    expect(await says(run())).toBe('from c');
    expect(stopped).toEqual(['a']);
  });

  it('fails as its first member when all fail', async () => {
    const { run } = choir({ a: down('rate_limited'), b: down() });
    await expect(run()).rejects.toMatchObject({ code: 'rate_limited' });
  });
});

describe('the strategy `vote`', () => {
  const vote = (members: Record<string, Member>, changes: Ensemble = {}) =>
    says(choir(members, { ...changes, strategy: 'vote' }).run());

  it.each([
    ['most say, however they write it', { a: 'Five', b: 'four', c: '“Four!”' }, 'four'],
    ['the first said when nobody agrees', { a: 'Five', b: 'four', c: 'six' }, 'Five'],
    ['those say who answer at all', { a: down(), b: 'six', c: 'four' }, 'six'],
    ['most say with its sign', { a: '5', b: '-5', c: '-5.' }, '-5'],
    ['most say, hyphen or none', { a: 'seven', b: 'covid-19', c: 'Covid 19' }, 'covid-19'],
  ])('takes what %s', async (_what, members, winner) => {
    expect(await vote(members)).toBe(winner);
  });

  it('counts the call of a tool as what it does', async () => {
    const members = {
      a: toolCall('{"sum":1}'),
      b: toolCall('{"sum":-1}'),
      c: toolCall('{"sum": -1}'),
    };
    const { run } = choir(members, { strategy: 'vote' });
    expect((await run()).take().choices[0]?.parts).toMatchObject([{ arguments: '{"sum":-1}' }]);
  });

  it('fails when all fail, and at once when the first fails and that is what the operator wants', async () => {
    await expect(vote({})).rejects.toMatchObject({ code: 'upstream_error' });
    const stopped: string[] = [];
    const slow: ChatHandler = (call) => {
      call.signal.addEventListener('abort', () => stopped.push(call.model));
      return mute(call);
    };
    const members = { a: slow, b: down('rate_limited'), c: 'four' };
    await expect(vote(members, { failFast: true })).rejects.toMatchObject({ code: 'rate_limited' });
    expect(stopped).toEqual(['a']);
  });
});

describe('the strategy `best`', () => {
  const cut = answer('It is 4, becau', 'length');

  it.each([
    ['from the highest grade', { a: '4 says a', b: '4 says b', c: '4 says c' }, '4 says b'],
    [
      'that is whole, though a higher grade was cut short',
      { a: '4 says a', b: cut, c: '4 says c' },
      '4 says c',
    ],
    ['from the highest grade when none is sound', { a: 'many', b: cut, c: '' }, 'It is 4, becau'],
  ])('takes the answer %s', async (_what, members: Record<string, Member>, winner) => {
    expect(await says(choir(members, { strategy: 'best' }).run())).toBe(winner);
  });
});

describe('the strategy `mixture`', () => {
  /** Says `draft` when asked first and `mixed` when it gets the drafts. */
  const lead =
    (draft: string, mixed: Member): ChatHandler =>
    async (call) => {
      if (call.dialect !== 'sluice') return ChatReply.message(answer(draft));
      if (typeof mixed === 'function') return mixed(call);
      if (mixed instanceof Error) throw mixed;
      return ChatReply.message(answer(mixed as string));
    };

  it('shows the first member all drafts and gives its answer, with what all of it took', async () => {
    const { run, calls } = choir(
      { a: lead('draft a', 'the one'), b: down(), c: 'draft c' },
      { strategy: 'mixture' },
    );
    const message = (await run()).take();
    expect(said(message)).toBe('the one');
    expect(message.usage).toEqual(usage({ input: 3 * 12, output: 3 * 34 }));
    const mixing = calls.at(-1)!;
    expect(mixing.model).toBe('a');
    const [instruction, question] = mixing.prompt.messages;
    expect(textOf(instruction!.parts)).toContain('Draft 1:\ndraft a\n\nDraft 2:\ndraft c');
    expect(textOf(question!.parts)).toBe('How many?');
    // A prompt of ours is no body of the caller's: it is translated for each upstream.
    expect(mixing.body).toEqual({ prompt: mixing.prompt });
  });

  it('mixes nothing when there is one answer', async () => {
    const { run, calls } = choir({ c: 'alone' }, { strategy: 'mixture' });
    expect(await says(run())).toBe('alone');
    expect(calls).toHaveLength(3);
  });

  it('gives the draft that most agree on when the mixing fails: it is paid for', async () => {
    const members = { a: lead('five', down()), b: 'four', c: 'Four.' };
    const message = (await choir(members, { strategy: 'mixture' }).run()).take();
    expect(said(message)).toBe('four');
    expect(message.usage.output).toBe(3 * 34);
    const strict = choir(members, { strategy: 'mixture', failFast: true });
    await expect(strict.run()).rejects.toMatchObject({ code: 'upstream_error' });
  });

  it('gives a draft when one member used up the time for all', async () => {
    const members = { a: lead('four', mute), b: 'four', c: mute };
    const { run } = choir(members, { strategy: 'mixture', timeout: '20ms' });
    expect(await says(run())).toBe('four');
  });

  it('gives nothing to a caller who left while it was mixed', async () => {
    const leaving = new AbortController();
    const leaves: ChatHandler = (call) => {
      if (call.dialect !== 'sluice') return Promise.resolve(ChatReply.message(answer('four')));
      leaving.abort();
      return mute(call);
    };
    const { run } = choir({ a: leaves, b: 'four' }, { strategy: 'mixture' });
    await expect(run({ signal: leaving.signal })).rejects.toMatchObject({ code: 'client_closed' });
  });
});

describe('the end of an ensemble’s patience', () => {
  it.each(['first', 'vote', 'best', 'mixture'] as const)(
    'is a timeout of the upstreams, not a caller who left: %s',
    async (strategy) => {
      const { run } = choir({ a: mute, b: mute, c: mute }, { strategy, timeout: '20ms' });
      await expect(run()).rejects.toMatchObject({
        code: 'upstream_timeout',
        message: "No model of 'choir' answered in time.",
      });
    },
  );

  it('leaves the answers that came in time', async () => {
    const { run } = choir({ a: mute, b: 'four' }, { strategy: 'vote', timeout: '20ms' });
    expect(await says(run())).toBe('four');
  });

  it('is not reached when the caller leaves: all members are told', async () => {
    const leaving = new AbortController();
    const { run, calls } = choir({ a: mute, b: mute, c: mute }, { strategy: 'vote' });
    const reply = run({ signal: leaving.signal });
    leaving.abort();
    await expect(reply).rejects.toMatchObject({ code: 'client_closed' });
    expect(calls.every(({ signal }) => signal.aborted)).toBe(true);
  });
});

describe('what a failed ensemble costs', () => {
  it('is in the rows of its members and nowhere else', async () => {
    const bill = { usage: usage({ input: 7 }), costMicroUsd: 7 };
    const { run } = choir({ a: new GatewayError('upstream_error', 'cut', { bill }) });
    await expect(run()).rejects.toMatchObject({
      code: 'upstream_error',
      bill: { usage: usage({}), costMicroUsd: 0 },
    });
  });

  it('is known of errors, too, that nobody threw on purpose', async () => {
    const { run } = choir({
      a: new TypeError('bug'),
      b: new TypeError('bug'),
      c: new TypeError('bug'),
    });
    await expect(run()).rejects.toMatchObject({
      code: 'upstream_error',
      message: 'Every model of the ensemble failed.',
    });
  });
});
