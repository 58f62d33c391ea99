import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { GatewayError } from '@sluice/kernel';
import { JSON_TYPE } from '../http/json-answer.js';
import { callerOf } from '../http/request-state.js';
import { SseStream } from '../http/sse.stream.js';

const TTL_MS = 24 * 3_600_000;
/** Characters of answers that are kept; the longest unused go first. */
const MAX_KEPT = 32 * 1024 * 1024;
/** What an answer takes beside its body. */
const OVERHEAD = 512;
const MAX_KEY = 255;

/** What is as true of the replay as of the answer. Limits, costs and times are of the moment. */
const KEPT_HEADERS = [
  'content-type',
  ...['model', 'provider', 'grade', 'config', 'dropped'].map((fact) => `x-sluice-${fact}`),
];

/** What a route sends: JSON text, or events. */
type Body = string | SseStream;

interface Answered {
  readonly bodyHash: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Epoch ms. */
  readonly at: number;
}

interface Running {
  readonly bodyHash: string;
  /** Resolves when the call has ended; never rejects. Undefined when there is nothing to replay: a stream, a failure. */
  readonly answer: Promise<Answered | undefined>;
}

/**
 * `idempotency-key`: the same key with the same body is answered once and replayed for 24 hours; with another
 * body it is refused. Failures and streams are not remembered: a repeated call runs again.
 * Kept in this process: behind a balancer use sticky sessions where a replay must not cost twice.
 */
@Injectable()
export class Idempotency {
  readonly #running = new Map<string, Running>();
  readonly #answered = new LRUCache<string, Answered>({
    maxSize: MAX_KEPT,
    sizeCalculation: ({ body }) => body.length + OVERHEAD,
    ttl: TTL_MS,
  });

  /**
   * @param run answers the request; its headers are on the reply by then
   * @throws GatewayError invalid_request for a malformed key, conflict for one that was used with another body
   */
  async once(
    request: FastifyRequest,
    reply: FastifyReply,
    run: () => Promise<Body>,
  ): Promise<Body> {
    const key = request.headers['idempotency-key'];
    if (typeof key !== 'string' || key === '' || key.length > MAX_KEY) {
      throw new GatewayError(
        'invalid_request',
        `Header idempotency-key must be 1 to ${MAX_KEY} characters.`,
        { param: 'idempotency-key' },
      );
    }
    const { tenant, id } = callerOf(request);
    const slot = JSON.stringify([tenant, id, request.route, key]);
    const bodyHash = createHash('sha256')
      .update(JSON.stringify(request.body ?? null))
      .digest('base64');
    for (;;) {
      const known = this.#answered.get(slot) ?? this.#running.get(slot);
      if (known === undefined) return this.#first(slot, { bodyHash, reply, run });
      if (known.bodyHash !== bodyHash) {
        throw new GatewayError(
          'conflict',
          'This idempotency-key was used with another request body.',
          { param: 'idempotency-key' },
        );
      }
      const answer = 'answer' in known ? await known.answer : known;
      if (answer !== undefined) return replay(answer, reply);
      // There was nothing to replay: of those who waited, one runs and the others wait for it.
    }
  }

  async #first(
    slot: string,
    {
      bodyHash,
      reply,
      run,
    }: {
      readonly bodyHash: string;
      readonly reply: FastifyReply;
      readonly run: () => Promise<Body>;
    },
  ): Promise<Body> {
    const { promise, resolve } = Promise.withResolvers<Answered | undefined>();
    this.#running.set(slot, { bodyHash, answer: promise });
    let answered: Answered | undefined;
    try {
      const body = await run();
      if (body instanceof SseStream) return body;
      answered = { bodyHash, body, headers: keptHeaders(reply), at: Date.now() };
      this.#answered.set(slot, answered);
      return body;
    } finally {
      this.#running.delete(slot);
      resolve(answered);
    }
  }
}

function replay(answer: Answered, reply: FastifyReply): string {
  reply.headers({
    'content-type': JSON_TYPE,
    ...answer.headers,
    'idempotent-replayed': 'true',
    'x-sluice-cache': 'hit',
    'x-sluice-cost-usd': '0.000000',
    age: String(Math.floor((Date.now() - answer.at) / 1000)),
  });
  return answer.body;
}

function keptHeaders(reply: FastifyReply): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = reply.getHeader(name);
    if (typeof value === 'string') kept[name] = value;
  }
  return kept;
}
