import { describe, expect, it } from '@jest/globals';
import {
  MessageAssembler,
  NO_USAGE,
  type ChatReply,
  type ReplyEnd,
  type WireBody,
} from '@sluice/kernel';
import { answer } from '../../testing/cache-calls.js';
import {
  answerFromText,
  answerToText,
  isSharable,
  replay,
  type CachedAnswer,
} from './cached-answer.js';

const JSON_TEXT = '{"id":"chatcmpl-1", "choices":[ ],"z":1.0,"a":2}';
const WIRE: WireBody = {
  dialect: 'openai-chat',
  json: JSON_TEXT,
  body: JSON.parse(JSON_TEXT) as Record<string, unknown>,
};
const STORED: CachedAnswer = {
  message: answer(
    [
      { type: 'reasoning', text: 'hm', signature: 's' },
      { type: 'text', text: 'A lock.' },
      { type: 'tool_call', id: 't', name: 'f', arguments: '{"a":1}' },
    ],
    'tool_calls',
  ),
  wire: WIRE,
  costMicroUsd: 1234,
  storedAt: 1,
  expiresAt: 2,
  answeredBy: { model: 'small', provider: 'p' },
};

function endOf(reply: ChatReply): ReplyEnd[] {
  const ends: ReplyEnd[] = [];
  reply.observe({ onEnd: (end) => ends.push(end) });
  return ends;
}

describe('a cached answer as text', () => {
  it('comes back whole, its wire body byte for byte', () => {
    expect(answerFromText(answerToText(STORED))).toEqual(STORED);
    expect(answerFromText(answerToText(STORED)).wire?.json).toBe(JSON_TEXT);
  });

  it('needs no wire body, nor its text', () => {
    const { wire: _gone, ...rest } = STORED;
    expect(answerFromText(answerToText(rest))).toEqual(rest);
    const { json: _unwritten, ...body } = WIRE;
    expect(answerFromText(answerToText({ ...rest, wire: body })).wire?.body).toEqual(WIRE.body);
  });

  it.each(['', '{', 'null', '[]', '{}', '{"message":{}}', '{"message":{"choices":[]}}'])(
    'is refused when it is %j',
    (text) => {
      expect(() => answerFromText(text)).toThrow();
    },
  );
});

describe('isSharable', () => {
  const shared = (body: Record<string, unknown>): boolean =>
    isSharable({ dialect: 'openai-responses', body });

  it('refuses bodies that echo what another caller wrote outside the key', () => {
    expect(shared({ user: 'ann' })).toBe(false);
    expect(shared({ metadata: { trace: '1' } })).toBe(false);
    expect(shared({ safety_identifier: 'x' })).toBe(false);
    expect(shared({ prompt_cache_key: 'x' })).toBe(false);
  });

  it('accepts their empty forms', () => {
    expect(shared({ user: null, metadata: {}, id: 'x' })).toBe(true);
  });
});

describe('replay', () => {
  it('gives a plain call the whole message and its wire body, for nothing', () => {
    const reply = replay(STORED, false);
    const ends = endOf(reply);
    expect(reply.wire).toBe(WIRE);
    expect(reply.take()).toBe(STORED.message);
    expect(ends).toMatchObject([{ outcome: 'completed', costMicroUsd: 0, usage: NO_USAGE }]);
  });

  it('gives a stream the same answer in pieces, to several readers at once', async () => {
    const replies = [replay(STORED, true), replay(STORED, true)];
    await Promise.all(
      replies.map(async (reply) => {
        const assembler = new MessageAssembler();
        for await (const chunk of reply.chunks()) assembler.add(chunk);
        expect(assembler.message()).toEqual(STORED.message);
      }),
    );
  });

  it('bills a replayed stream with nothing and keeps the message for the observers', async () => {
    const reply = replay(STORED, true);
    const ends = endOf(reply);
    for await (const _chunk of reply.chunks());
    expect(ends).toMatchObject([{ outcome: 'completed', costMicroUsd: 0, usage: NO_USAGE }]);
    expect(ends[0]?.message?.()).toBe(STORED.message);
  });
});
