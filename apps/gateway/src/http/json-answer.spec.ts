import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import compress from '@fastify/compress';
import Fastify, { type FastifyInstance } from 'fastify';
import { gunzipSync } from 'node:zlib';
import { COMPRESS_ABOVE_BYTES, commonHeaders, JsonAnswer } from './json-answer.js';

let app: FastifyInstance;
let answer: JsonAnswer;

const SMALL = '{"text":"naïve"}';
const LARGE = JSON.stringify({ text: 'x'.repeat(COMPRESS_ABOVE_BYTES) });
const OWN = [{ 'x-sluice-cache': 'hit' }, { 'x-ratelimit-limit-tokens': '100' }];

beforeEach(async () => {
  app = Fastify();
  await app.register(compress, { threshold: COMPRESS_ABOVE_BYTES });
  app.decorateRequest('answerBytes', 0);
  app.addHook('onSend', (request, reply, payload, done) => {
    reply.headers(commonHeaders(request));
    done(null, payload);
  });
  app.get('/', (_request, reply) => {
    reply.header('x-ratelimit-limit', 7);
    answer.sendBy(reply);
  });
});
afterEach(() => app.close());

const ask = (headers: Record<string, string> = {}) =>
  app.inject({ method: 'GET', url: '/', headers });

/** All but what differs from answer to answer, and what compression changes. */
function told(headers: Record<string, unknown>): Record<string, unknown> {
  const {
    date: _date,
    'content-length': _length,
    'content-encoding': _encoding,
    vary: _vary,
    ...rest
  } = headers;
  return rest;
}

describe('a JSON answer', () => {
  it('is sent with its length in bytes, its own headers, and those that are on the reply', async () => {
    answer = new JsonAnswer(SMALL, OWN);
    const { headers, body, statusCode } = await ask();
    expect(statusCode).toBe(200);
    expect(body).toBe(SMALL);
    expect(headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(SMALL)),
      'x-sluice-cache': 'hit',
      'x-ratelimit-limit-tokens': '100',
      'x-ratelimit-limit': '7',
    });
  });

  it('has the same headers when it is large, and is then compressed for who takes that', async () => {
    answer = new JsonAnswer(LARGE, OWN);
    const plain = await ask();
    const packed = await ask({ 'accept-encoding': 'gzip' });
    expect(plain.body).toBe(LARGE);
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(packed.rawPayload).toString()).toBe(LARGE);
    const ids = { 'x-request-id': 'any', 'request-id': 'any' };
    expect({ ...told(packed.headers), ...ids }).toEqual({ ...told(plain.headers), ...ids });
  });

  it('is not compressed when it is small', async () => {
    answer = new JsonAnswer(SMALL, OWN);
    expect((await ask({ 'accept-encoding': 'gzip' })).headers['content-encoding']).toBeUndefined();
  });

  it('becomes an error, and not silence, when a header cannot be written', async () => {
    answer = new JsonAnswer(SMALL, [{ 'x-sluice-model': 'two\nlines' }]);
    expect((await ask()).statusCode).toBe(500);
  });
});
