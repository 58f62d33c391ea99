import { Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ChatCall } from '@sluice/kernel';
import {
  CallCounter,
  CallHistogram,
  genAiSpan,
  Logger,
  Metrics,
  Tracer,
} from '@sluice/observability';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const OVERHEAD_SECONDS = [
  0.00005, 0.0001, 0.0002, 0.0003, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1,
];
const BYTES = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 10_485_760];

/** Metrics, access log and trace of each request, after the last byte has left or the client has. */
@Injectable()
export class RequestObserver {
  /** By route, status and whether it is a stream. */
  readonly #duration: CallHistogram;
  readonly #requestSize: CallHistogram;
  readonly #responseSize: CallHistogram;
  readonly #overhead: CallHistogram;
  readonly #firstToken: CallHistogram;
  /** By route and status. */
  readonly #requests: CallCounter;

  constructor(
    private readonly logger: Logger,
    private readonly tracer: Tracer,
    metrics: Metrics,
  ) {
    const registers = [metrics.registry];
    this.#duration = new CallHistogram({
      name: 'sluice_request_duration_seconds',
      help: 'Time from the request headers to the last byte of the answer.',
      labelNames: ['route', 'status', 'stream'],
      buckets: SECONDS,
      registers,
    });
    this.#requestSize = new CallHistogram({
      name: 'sluice_request_size_bytes',
      help: 'Declared size of request bodies.',
      labelNames: ['route'],
      buckets: BYTES,
      registers,
    });
    this.#responseSize = new CallHistogram({
      name: 'sluice_response_size_bytes',
      help: 'Bytes of answers written to the socket, headers included.',
      labelNames: ['route'],
      buckets: BYTES,
      registers,
    });
    this.#overhead = new CallHistogram({
      name: 'sluice_overhead_seconds',
      help: 'Time spent in the gateway itself: until the answer starts, without waiting for providers.',
      buckets: OVERHEAD_SECONDS,
      registers,
    });
    this.#firstToken = new CallHistogram({
      name: 'sluice_time_to_first_token_seconds',
      help: 'Time from the request headers to the first streamed content.',
      buckets: SECONDS,
      registers,
    });
    this.#requests = new CallCounter({
      name: 'sluice_requests_total',
      help: 'Answered requests.',
      labelNames: ['route', 'status'],
      registers,
    });
  }

  register(app: FastifyInstance): void {
    app.addHook('onRequest', (request, reply, done) => {
      // Fastify's onResponse never comes when the client leaves; the response's own 'close' always does.
      reply.raw.once('close', () => {
        this.#observe(request, reply);
      });
      done();
    });
  }

  #observe(request: FastifyRequest, reply: FastifyReply): void {
    const now = performance.now();
    const call = request.chatCall;
    const { route } = request;
    const left = !reply.raw.writableFinished;
    const status = left ? '499' : String(reply.statusCode);
    const durationMs = now - request.startedAt;
    const stream = call?.stream === true ? 'true' : 'false';
    this.#duration.observe(durationMs / 1000, route, status, stream);
    this.#requests.inc(1, route, status);
    const size = Number(request.headers['content-length'] ?? 0);
    if (size > 0) this.#requestSize.observe(size, route);
    const length = request.answerBytes || Number(reply.getHeader('content-length') ?? 0);
    if (length > 0) this.#responseSize.observe(length, route);
    const overheadMs = call === undefined ? undefined : ownTime(call, now);
    if (call !== undefined && overheadMs !== undefined) {
      const { firstTokenAt } = call.journal;
      this.#overhead.observe(overheadMs / 1000);
      if (firstTokenAt !== undefined) {
        this.#firstToken.observe((firstTokenAt - call.startedAt) / 1000);
      }
    }
    if (this.logger.isLevelEnabled('info')) {
      this.#log(request, { route, status: Number(status), durationMs, overheadMs });
    }
    if (this.tracer.enabled) this.#trace(request, { route, status: Number(status), now });
  }

  #log(
    request: FastifyRequest,
    facts: {
      readonly route: string;
      readonly status: number;
      readonly durationMs: number;
      readonly overheadMs: number | undefined;
    },
  ): void {
    const call = request.chatCall;
    const served = call?.journal.servedBy;
    this.logger.info(
      {
        requestId: request.id,
        method: request.method,
        route: facts.route,
        status: facts.status,
        durationMs: microseconds(facts.durationMs),
        tenant: request.caller?.tenant,
        caller: request.caller?.id,
        ...(call === undefined
          ? {}
          : {
              model: served?.model ?? call.model,
              provider: served?.provider,
              stream: call.stream,
              cache: call.journal.cache?.verdict,
              attempts: call.journal.attempts.length,
              upstreamMs: microseconds(call.journal.upstreamMs),
              overheadMs: microseconds(facts.overheadMs ?? 0),
              error: call.journal.error?.code,
            }),
      },
      'request',
    );
  }

  #trace(
    request: FastifyRequest,
    facts: { readonly route: string; readonly status: number; readonly now: number },
  ): void {
    const call = request.chatCall;
    if (call === undefined) return;
    const { journal } = call;
    const served = journal.servedBy;
    const usage = journal.attempts.at(-1)?.usage;
    const span = genAiSpan(
      {
        operation: 'chat',
        startMs: performance.timeOrigin + request.startedAt,
        endMs: performance.timeOrigin + facts.now,
        requestModel: call.model,
        stream: call.stream,
        ...(served === undefined ? {} : { responseModel: served.model, provider: served.provider }),
        ...(usage === undefined ? {} : { inputTokens: usage.input, outputTokens: usage.output }),
        ...(journal.firstTokenAt === undefined
          ? {}
          : { timeToFirstChunkMs: journal.firstTokenAt - call.startedAt }),
        ...(journal.error === undefined ? {} : { error: journal.error.code }),
        extra: {
          'http.route': facts.route,
          'http.response.status_code': facts.status,
          'sluice.request_id': call.id,
          'sluice.cache': journal.cache?.verdict ?? 'bypass',
        },
      },
      'server',
    );
    const { traceparent } = request.headers;
    this.tracer.record(typeof traceparent === 'string' ? { ...span, traceparent } : span);
  }
}

/** Milliseconds spent in the gateway itself: until the answer starts, without waiting for providers. */
function ownTime(call: ChatCall, now: number): number {
  const { firstTokenAt, upstreamMs } = call.journal;
  return Math.max(0, (firstTokenAt ?? now) - call.startedAt - upstreamMs);
}

/** Milliseconds with three decimals: more digits are noise and cost log volume. */
function microseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
