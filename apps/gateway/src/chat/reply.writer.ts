import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ConfigStore } from '@sluice/config';
import { microToUsd, type ChatCall, type ChatReply, type ReplyEnd } from '@sluice/kernel';
import type { WireDialect } from '@sluice/chat';
import { DeferredWork } from '@sluice/observability';
import { TokenHeaders } from '@sluice/token-limits';
import { JsonAnswer } from '../http/json-answer.js';
import { SseStream } from '../http/sse.stream.js';
import { LiveStreams } from '../http/live-streams.js';

/** Turns a reply into HTTP: JSON, or SSE in the caller's dialect, with the headers of interface section 5. */
@Injectable()
export class ReplyWriter {
  constructor(
    private readonly config: ConfigStore,
    private readonly streams: LiveStreams,
    private readonly tokens: TokenHeaders,
    private readonly deferred: DeferredWork,
  ) {}

  write(
    call: ChatCall,
    answer: ChatReply,
    to: {
      readonly dialect: WireDialect;
      readonly reply: FastifyReply;
      readonly wantsUsage: boolean;
    },
  ): JsonAnswer | SseStream {
    const { dialect, reply } = to;
    // It has begun: no other upstream will be asked.
    call.raw?.release();
    let end: ReplyEnd | undefined;
    answer.observe({
      onEnd: (ended) => {
        end = ended;
        const { message } = ended;
        if (message === undefined || dialect.remember === undefined) return;
        this.deferred.run('remember turn', () => dialect.remember?.(call, message()));
      },
    });
    const tokens = this.tokens.of(call.caller, { anthropic: dialect.name === 'anthropic' });
    if (answer.kind === 'stream') {
      reply.headers(tokens);
      reply.headers({
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
        'x-accel-buffering': 'no',
      });
      reply.headers(answerHeaders(call, this.config.current.version));
      const stream = new SseStream(call, answer, dialect.stream(call), {
        heartbeatMs: this.config.current.sluice.streaming.heartbeat,
        extra: to.wantsUsage ? () => sluiceExtra(call, end) : undefined,
      });
      return this.streams.track(stream);
    }
    const wire = answer.wire;
    const message = answer.take();
    const headers = answerHeaders(call, this.config.current.version);
    headers['x-sluice-cost-usd'] = formatUsd(end?.costMicroUsd ?? 0);
    const body =
      wire?.dialect === dialect.name
        ? (wire.json ?? JSON.stringify(wire.body))
        : JSON.stringify(dialect.format(message, call));
    return new JsonAnswer(body, [tokens, headers]);
  }
}

/** Facts of the journal as answer headers. Values are ASCII without line breaks: ids and numbers only. */
export function answerHeaders(call: ChatCall, configVersion: number): Record<string, string> {
  const { journal } = call;
  const last = journal.servedBy;
  const headers: Record<string, string> = {
    ...journal.headers,
    'x-sluice-config': String(configVersion),
    'x-sluice-cache': journal.cache?.verdict ?? 'bypass',
    'x-sluice-overhead-ms': Math.max(
      0,
      performance.now() - call.startedAt - journal.upstreamMs,
    ).toFixed(3),
  };
  if (last !== undefined) {
    headers['x-sluice-model'] = last.model;
    headers['x-sluice-provider'] = last.provider;
  }
  if (journal.routing?.grade !== undefined) headers['x-sluice-grade'] = journal.routing.grade;
  if (journal.cache?.similarity !== undefined) {
    headers['x-sluice-similarity'] = journal.cache.similarity.toFixed(4);
  }
  if (journal.cache?.ageSeconds !== undefined) {
    headers.age = String(Math.floor(journal.cache.ageSeconds));
  }
  return headers;
}

function sluiceExtra(call: ChatCall, end: ReplyEnd | undefined): Record<string, unknown> {
  const last = call.journal.servedBy;
  return {
    request_id: call.id,
    cost_usd: microToUsd(end?.costMicroUsd ?? 0),
    model: last?.model ?? null,
    provider: last?.provider ?? null,
    cache: call.journal.cache?.verdict ?? 'bypass',
  };
}

function formatUsd(micro: number): string {
  return microToUsd(micro).toFixed(6);
}
