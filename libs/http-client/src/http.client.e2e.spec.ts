import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { ScriptedUpstream } from '../../../test/upstream/scripted-upstream.js';
import { DnsCache } from './dns-cache.lookup.js';
import { HttpClient } from './http.client.js';
import { HttpFailure } from './http.failure.js';
import { publicAddressesOnly } from './public-address.lookup.js';
import type { SseEvent } from './sse.parser.js';

let up: ScriptedUpstream;
let client: HttpClient;
beforeAll(async () => {
  up = await ScriptedUpstream.start();
  client = new HttpClient({
    maxBodyBytes: 10_000,
    maxLineLength: 2_000,
    lookup: new DnsCache().lookup,
  });
});
afterEach(() => up.reset());
afterAll(async () => {
  await client.destroy();
  await up.close();
});
const post = (more: object = {}) =>
  client.post({ origin: up.url, path: '/v1/x', body: '{"a":1}', ...more });
async function failure(promise: Promise<unknown>): Promise<HttpFailure> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HttpFailure);
  return error as HttpFailure;
}

describe('HttpClient', () => {
  it('posts JSON and reads the answer over kept-alive connections', async () => {
    up.always({ json: { ok: true } });
    for (let i = 0; i < 5; i++) {
      const response = await post({ headers: { authorization: 'Bearer k' } });
      expect(response.status).toBe(200);
      expect(JSON.parse(await response.text())).toEqual({ ok: true });
    }
    expect(up.connections).toBeLessThanOrEqual(2);
    expect(up.requests[0]).toMatchObject({ method: 'POST', path: '/v1/x', json: { a: 1 } });
    expect(up.requests[0]!.headers).toMatchObject({
      authorization: 'Bearer k',
      'content-type': 'application/json',
    });
    expect(client.stats()).toEqual([
      expect.objectContaining({ origin: up.url, connected: up.connections }),
    ]);
  });

  it('tells when a request is about to leave: once it has a connection, and before its first byte', async () => {
    const told: string[] = [];
    const onSending = () => told.push(`sending after ${up.requests.length} requests`);
    up.always({ json: { ok: true } });
    const answered = post({ onSending });
    expect(told).toEqual([]);
    await (await answered).text();
    expect(told).toEqual(['sending after 0 requests']);
    // Nobody listens there: nothing can have left.
    const nowhere = client.post({ origin: 'http://127.0.0.1:1', path: '/', onSending });
    expect((await failure(nowhere)).kind).toBe('connect');
    expect(told).toHaveLength(1);
  });

  it('keeps a request back when whoever is told says so', async () => {
    const reason = new Error('not now');
    const onSending = () => {
      throw reason;
    };
    await expect(post({ onSending })).rejects.toBe(reason);
    expect(up.requests).toEqual([]);
    up.always({ json: { ok: true } });
    expect((await post()).status).toBe(200);
  });

  it('closes the connection after an exchange that asks for that', async () => {
    up.always({ json: { ok: true } });
    for (let i = 0; i < 3; i++) await (await post({ keepAlive: false })).text();
    expect(up.requests.map((request) => request.headers.connection)).toEqual(
      Array(3).fill('close'),
    );
  });

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ] as const)('decompresses %s', async (encoding, compress) => {
    up.next({
      body: compress(Buffer.from('{"text":"ü"}')),
      headers: { 'content-encoding': encoding },
    });
    expect(await (await post()).text()).toBe('{"text":"ü"}');
  });
  it('decompresses an event stream while it runs', async () => {
    up.next({ body: gzipSync('data: 1\n\ndata: 2\n\n'), headers: { 'content-encoding': 'gzip' } });
    const events: SseEvent[] = [];
    for await (const batch of (await post()).events()) events.push(...batch);
    expect(events.map((e) => e.data)).toEqual(['1', '2']);
  });
  it('counts the cap on a body after decompression', async () => {
    up.next({ body: gzipSync(Buffer.alloc(1_000_000)), headers: { 'content-encoding': 'gzip' } });
    expect((await failure((await post()).bytes())).kind).toBe('too_large');
    up.next({ body: Buffer.alloc(20_000) });
    expect((await failure((await post()).bytes())).kind).toBe('too_large');
  });
  it('refuses encodings that are unknown or lie', async () => {
    up.next({ body: 'x', headers: { 'content-encoding': 'rot13' } });
    expect((await failure(post())).kind).toBe('encoding');
    up.next({ body: 'this is no gzip', headers: { 'content-encoding': 'gzip' } });
    expect((await failure((await post()).bytes())).kind).toBe('encoding');
  });

  it('does not follow redirects', async () => {
    up.next({ status: 307, headers: { location: '/elsewhere' } });
    const response = await post();
    expect(response.status).toBe(307);
    response.discard();
    expect(up.requests).toHaveLength(1);
  });

  it('reads server-sent events as they come', async () => {
    up.next({ sse: [{ n: 1 }, ': ping\n\n', { n: 2 }], frameDelayMs: 5 });
    const events: SseEvent[] = [];
    for await (const batch of (await post({ plain: true })).events()) events.push(...batch);
    expect(events.map((e) => e.data)).toEqual(['{"n":1}', '{"n":2}', '[DONE]']);
    expect(up.requests[0]!.headers['accept-encoding']).toBe('identity');
  });
  it('fails a stream whose line is too long', async () => {
    up.next({ sse: [`data: ${'x'.repeat(5_000)}\n\n`] });
    const events = (await post()).events();
    expect((await failure(events.next())).message).toContain('longer than 2000 characters');
  });
  it('closes the connection when the reader leaves early', async () => {
    up.next({ sse: [{ n: 1 }, { n: 2 }], hang: 'after' });
    const started = performance.now();
    for await (const _ of (await post()).events()) break;
    const left = performance.now();
    expect((await up.requests[0]!.closed) - left).toBeLessThan(100);
    expect(left).toBeGreaterThan(started);
    expect(up.requests[0]!.aborted).toBe(true);
  });
  it('holds a fast upstream back while the reader is slow, and loses nothing', async () => {
    const big = new HttpClient({ maxBodyBytes: 64_000_000 });
    const frames = Array.from({ length: 400 }, (_, n) => ({ n, filler: 'x'.repeat(8_000) }));
    up.next({ sse: frames });
    const seen: number[] = [];
    const response = await big.post({ origin: up.url, path: '/' });
    for await (const batch of response.events()) {
      for (const event of batch)
        if (event.data !== '[DONE]') seen.push(JSON.parse(event.data).n as number);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(seen).toEqual(frames.map((f) => f.n));
    await big.close();
  });

  it('says when nothing listens', async () => {
    const gone = await ScriptedUpstream.start();
    await gone.close();
    expect((await failure(client.post({ origin: gone.url, path: '/' }))).kind).toBe('connect');
  });
  it('says when the connection is reset before and in the answer', async () => {
    up.next({ reset: true });
    expect((await failure(post())).kind).toBe('broken');
    up.next({ json: { long: 'body' }, cutAfterBytes: 5 });
    const response = await post();
    expect((await failure(response.bytes())).kind).toBe('broken');
  });
  it.each([
    ['first byte', { hang: true }, { firstByteMs: 40 }],
    ['total', { hang: true }, { totalMs: 40 }],
  ] as const)('gives up after the %s timeout', async (_, script, limits) => {
    up.next(script);
    expect((await failure(post(limits))).kind).toBe('timeout');
    await up.requests[0]!.closed;
  });
  it('gives up when the body stalls or takes too long in all', async () => {
    up.next({ sse: [{ n: 1 }], done: false, hang: 'after' });
    const stalled = (await post({ idleMs: 40 })).events();
    await stalled.next();
    expect((await failure(stalled.next())).kind).toBe('timeout');
    up.next({ sse: Array.from({ length: 50 }, (_, n) => ({ n })), frameDelayMs: 10 });
    const slow = (await post({ totalMs: 100 })).bytes();
    expect((await failure(slow)).message).toContain('no whole answer within 100 ms');
  });
  it('aborts by signal before sending, while waiting and while reading', async () => {
    expect((await failure(post({ signal: AbortSignal.abort() }))).kind).toBe('aborted');
    expect(up.requests).toHaveLength(0);

    const waiting = new AbortController();
    up.next({ hang: true });
    const answer = post({ signal: waiting.signal });
    while (up.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    waiting.abort();
    expect((await failure(answer)).kind).toBe('aborted');
    await up.requests[0]!.closed;

    const reading = new AbortController();
    up.next({ sse: [{ n: 1 }], hang: 'after', done: false });
    const events = (await post({ signal: reading.signal })).events();
    await events.next();
    const next = events.next();
    const at = performance.now();
    reading.abort();
    expect((await failure(next)).kind).toBe('aborted');
    expect((await failure(events.next())).kind).toBe('aborted');
    expect((await up.requests[1]!.closed) - at).toBeLessThan(100);
  });
  it('keeps what came before a reader was there, and reads a body once', async () => {
    up.next({ json: { ok: 1 } });
    const response = await post();
    await up.requests[0]!.closed;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await response.text()).toBe('{"ok":1}');
    await expect(response.text()).rejects.toThrow('only once');
  });

  it('refuses private addresses at connect time, literal or by name', async () => {
    const guarded = new HttpClient({
      publicOnly: true,
      lookup: publicAddressesOnly(new DnsCache().lookup),
    });
    expect((await failure(guarded.post({ origin: up.url, path: '/' }))).kind).toBe('address');
    const byName = up.url.replace('127.0.0.1', 'localhost');
    expect((await failure(guarded.post({ origin: byName, path: '/' }))).kind).toBe('address');
    expect(up.requests).toHaveLength(0);
    await guarded.close();
  });
  it('reports a header or path that cannot be sent as our fault', async () => {
    await expect(post({ headers: { 'x-bad': 'a\nb' } })).rejects.toThrow('invalid x-bad header');
    await expect(post({ path: '/a b\n' })).rejects.toThrow('invalid request path');
  });
  it('ends running exchanges gracefully on close and takes no new origins', async () => {
    const closing = new HttpClient();
    up.next({ json: { late: true }, delayMs: 50 });
    const answer = closing.post({ origin: up.url, path: '/' }).then((r) => r.text());
    while (up.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await closing.close();
    expect(await answer).toBe('{"late":true}');
    expect((await failure(closing.post({ origin: 'http://127.0.0.1:1', path: '/' }))).kind).toBe(
      'aborted',
    );
  });
});
