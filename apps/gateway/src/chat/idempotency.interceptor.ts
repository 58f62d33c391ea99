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
  readonly answer: Promise<unknown>;
}

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
          at.reply.header('idempotent-replayed', 'true');
          return of(answer);
        }),
      );
    }
    let settle: (answer: unknown) => void = () => undefined;
    const answer = new Promise<unknown>((resolve) => {
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
        else settle(value);
      }),
      catchError((error: unknown) => {
        forget();
        return throwError(() => error);
      }),
    );
  }
}
