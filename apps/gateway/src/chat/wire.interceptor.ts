import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';
import { ConfigStore } from '@sluice/config';
import { WireCatalogue, type WireDialect } from '@sluice/chat';
import { ChatCall, GatewayError, type ChatReply, type DialectName } from '@sluice/kernel';
import { parseCacheControls } from '@sluice/semantic-cache';
import { readCallHeaders } from '../http/call-headers.js';
import { clientSignal } from '../http/client-signal.js';
import { callerOf } from '../http/request-state.js';
import { ReplyWriter } from './reply.writer.js';
import { WIRE_DIALECT } from './wire.decorator.js';

/** HTTP body → {@link ChatCall}; {@link ChatReply} → JSON or SSE, in the dialect of the route. */
@Injectable()
export class WireInterceptor implements NestInterceptor {
  constructor(
    private readonly config: ConfigStore,
    private readonly wires: WireCatalogue,
    private readonly writer: ReplyWriter,
    private readonly reflector: Reflector,
  ) {}

  intercept(
    context: ExecutionContext,
    next: CallHandler<ChatReply>,
  ): Observable<unknown> | Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const door: Door = {
      request,
      reply: http.getResponse<FastifyReply>(),
      dialect: this.wires.get(this.reflector.get<DialectName>(WIRE_DIALECT, context.getHandler())),
      next,
    };
    // Only a dialect that names earlier turns must fetch before it can parse; the others stay synchronous.
    return door.dialect.prepare === undefined
      ? this.#enter(door, request.body)
      : door.dialect
          .prepare(request.body, callerOf(request))
          .then((body) => this.#enter(door, body));
  }

  #enter({ request, reply, dialect, next }: Door, raw: unknown): Observable<unknown> {
    const parsed = dialect.parse(raw);
    const { limits, routing } = this.config.current.sluice;
    const headers = readCallHeaders(request.headers);
    // The dialect has checked that it is an object.
    const body = raw as Readonly<Record<string, unknown>>;
    if (typeof body.n === 'number' && body.n > limits.choices) {
      throw new GatewayError('invalid_request', `n must be at most ${limits.choices}.`, {
        param: 'n',
      });
    }
    const call = new ChatCall({
      id: request.id,
      caller: callerOf(request),
      dialect: dialect.name,
      model: parsed.model === '' ? routing.default : parsed.model,
      stream: parsed.stream,
      body,
      // A dialect that has prepared its body has made another of it.
      ...(request.rawBody === undefined || raw !== request.body ? {} : { raw: request.rawBody }),
      signal: clientSignal(reply),
      parse: parsed.prompt,
      cache: parseCacheControls(request.headers),
      ...(headers.agent === undefined ? {} : { agent: headers.agent }),
      ...(headers.session === undefined ? {} : { session: headers.session }),
      includeUsage: parsed.includeUsage,
      unsupported: headers.unsupported,
      startedAt: request.startedAt,
      forwardHeaders: headers.forward,
      route: request.routeOptions.url ?? 'unknown',
    });
    request.chatCall = call;
    const to = { dialect, reply, wantsUsage: headers.wantsUsage };
    return next.handle().pipe(map((answer) => this.writer.write(call, answer, to)));
  }
}

interface Door {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly dialect: WireDialect;
  readonly next: CallHandler<ChatReply>;
}
