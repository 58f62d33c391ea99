import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { catchError, from, of, switchMap, tap, throwError, type Observable } from 'rxjs';
import { GatewayError } from '@sluice/kernel';
import { callerOf } from '../http/request-state.js';
import { SseStream } from '../http/sse.stream.js';

const TTL_MS = 24 * 3_600_000;
const MAX_ENTRIES = 10_000;
const MAX_KEY = 255;

interface Remembered {
  readonly bodyHash: string;
  /** Resolves with the answer; undefined when it cannot be replayed (a stream, a failure). */
  readonly answer: Promise<Answered | undefined>;
}

interface Answered {
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** What is as true of the replay as of the answer. Limits, costs and times are of the moment. */
const KEPT_HEADERS = [
  'content-type',
  ...['model', 'provider', 'grade', 'config', 'dropped'].map((fact) => `x-sluice-${fact}`),
];

/**
 * `idempotency-key`: the same key with the same body is answered once and replayed for 24 hours; with another
 * body it is refused. Failures and streams are not remembered: a repeated call runs again.
 * Kept in this process: behind a balancer use sticky sessions where a replay must not cost twice.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  readonly #seen = new LRUCache<string, Remembered>({ max: MAX_ENTRIES, ttl: TTL_MS });

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const key = request.headers['idempotency-key'];
    if (key === undefined) return next.handle();
    if (typeof key !== 'string' || key === '' || key.length > MAX_KEY) {
      throw new GatewayError(
        'invalid_request',
        `Header idempotency-key must be 1 to ${MAX_KEY} characters.`,
        { param: 'idempotency-key' },
      );
    }
    return this.#once(key, { request, reply: http.getResponse<FastifyReply>(), next });
  }

  #once(
    key: string,
    at: {
      readonly request: FastifyRequest;
      readonly reply: FastifyReply;
      readonly next: CallHandler;
    },
  ): Observable<unknown> {
    const { tenant, id } = callerOf(at.request);
    const slot = JSON.stringify([tenant, id, at.request.routeOptions.url, key]);
    const bodyHash = createHash('sha256')
      .update(JSON.stringify(at.request.body ?? null))
      .digest('base64');
    const known = this.#seen.get(slot);
    if (known !== undefined && known.bodyHash !== bodyHash) {
      throw new GatewayError(
        'conflict',
        'This idempotency-key was used with another request body.',
        { param: 'idempotency-key' },
      );
    }
    if (known !== undefined) {
      return from(known.answer).pipe(
        switchMap((answer) => {
          if (answer === undefined) return at.next.handle();
          at.reply.headers({
            ...answer.headers,
            'idempotent-replayed': 'true',
            'x-sluice-cache': 'hit',
            'x-sluice-cost-usd': '0.000000',
            age: String(Math.floor((Date.now() - answer.at) / 1000)),
          });
          return of(answer.body);
        }),
      );
    }
    let settle: (answer: Answered | undefined) => void = () => undefined;
    const answer = new Promise<Answered | undefined>((resolve) => {
      settle = resolve;
    });
    this.#seen.set(slot, { bodyHash, answer });
    const forget = (): void => {
      this.#seen.delete(slot);
      settle(undefined);
    };
    return at.next.handle().pipe(
      tap((value) => {
        if (value instanceof SseStream) forget();
        else settle({ body: value, headers: keptHeaders(at.reply), at: Date.now() });
      }),
      catchError((error: unknown) => {
        forget();
        return throwError(() => error);
      }),
    );
  }
}

function keptHeaders(reply: FastifyReply): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = reply.getHeader(name);
    if (value !== undefined) kept[name] = String(value);
  }
  return kept;
}
