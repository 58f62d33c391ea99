import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ConfigStore } from '@sluice/config';
import { ChatPipeline, WireCatalogue, type WireDialect } from '@sluice/chat';
import { ChatCall, GatewayError, type DialectName } from '@sluice/kernel';
import { readCallHeaders, wishesOf } from '../http/call-headers.js';
import { clientSignal } from '../http/client-signal.js';
import { JsonAnswer } from '../http/json-answer.js';
import { callerOf } from '../http/request-state.js';
import type { SseStream } from '../http/sse.stream.js';
import { Idempotency } from './idempotency.js';
import { ReplyWriter } from './reply.writer.js';

type Answer = JsonAnswer | SseStream;

/**
 * A chat route's way in and out: HTTP body → {@link ChatCall} → pipeline → JSON or SSE in the dialect of the route.
 * A method call and not a Nest interceptor: see docs/adr/0801.
 */
@Injectable()
export class ChatDoor {
  constructor(
    private readonly config: ConfigStore,
    private readonly wires: WireCatalogue,
    private readonly pipeline: ChatPipeline,
    private readonly writer: ReplyWriter,
    private readonly idempotency: Idempotency,
  ) {}

  /** @throws GatewayError what the call came to before its first content; Nest's filter tells it in the caller's dialect */
  async answer(name: DialectName, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const run = (): Promise<Answer> => this.#run(this.wires.get(name), request, reply);
    if (request.headers['idempotency-key'] !== undefined) {
      const kept = await this.idempotency.once(request, reply, async () => {
        const answer = await run();
        return answer instanceof JsonAnswer ? answer.applyTo(reply) : answer;
      });
      // Not awaited: a reply is a thenable that resolves when all of it has been sent.
      void reply.send(kept);
      return;
    }
    const answer = await run();
    if (answer instanceof JsonAnswer) answer.sendBy(reply);
    else void reply.send(answer);
  }

  async #run(dialect: WireDialect, request: FastifyRequest, reply: FastifyReply): Promise<Answer> {
    // Only a dialect that names earlier turns must fetch before it can parse; the others stay synchronous.
    const body =
      dialect.prepare === undefined
        ? request.body
        : await dialect.prepare(request.body, callerOf(request));
    const parsed = dialect.parse(body);
    const headers = readCallHeaders(request.headers);
    const call = this.#call({ dialect, parsed, body, headers }, request, reply);
    request.chatCall = call;
    const answer = await this.pipeline.run(call);
    return this.writer.write(call, answer, { dialect, reply, wantsUsage: headers.wantsUsage });
  }

  #call(
    {
      dialect,
      parsed,
      body: raw,
      headers,
    }: {
      readonly dialect: WireDialect;
      readonly parsed: ReturnType<WireDialect['parse']>;
      readonly body: unknown;
      readonly headers: ReturnType<typeof readCallHeaders>;
    },
    request: FastifyRequest,
    reply: FastifyReply,
  ): ChatCall {
    const { limits, routing } = this.config.current.sluice;
    // The dialect has checked that it is an object.
    const body = raw as Readonly<Record<string, unknown>>;
    if (typeof body.n === 'number' && body.n > limits.choices) {
      throw new GatewayError('invalid_request', `n must be at most ${limits.choices}.`, {
        param: 'n',
      });
    }
    return new ChatCall({
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
      ...wishesOf(headers, request.headers),
      includeUsage: parsed.includeUsage,
      startedAt: request.startedAt,
      forwardHeaders: headers.forward,
      route: request.route,
    });
  }
}
