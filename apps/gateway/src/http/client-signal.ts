import type { FastifyReply } from 'fastify';
import { StopSource, type StopSignal } from '@sluice/kernel';

/**
 * Aborts when the client has left before its answer was written.
 * Fastify's own `request.signal` aborts at once on any POST with a body (fastify issues 6725, 7033).
 */
export function clientSignal(reply: FastifyReply): StopSignal {
  const source = new StopSource();
  // Gone while somebody else was waited for: a guard, an earlier turn, another request with the same key.
  if (reply.raw.destroyed && !reply.raw.writableFinished) {
    source.abort();
    return source;
  }
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) source.abort();
  });
  return source;
}
