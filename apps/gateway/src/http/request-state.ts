import type { FastifyRequest } from 'fastify';
import { GatewayError, type Caller, type ChatCall, type RawJson } from '@sluice/kernel';

declare module 'fastify' {
  interface FastifyRequest {
    /** `performance.now()` when the request's headers had been read. */
    startedAt: number;
    /** The pattern of the path that matched, `unknown` where none did. */
    route: string;
    /** Length of a body that was sent without Fastify, in bytes. */
    answerBytes: number;
    /** Who is calling; set by ApiKeyGuard on every route that is not public. */
    caller?: Caller;
    /** The body as it was received, on routes that may pass it on. */
    rawBody?: RawJson;
    /** The chat call of this request, once its body was understood. */
    chatCall?: ChatCall;
  }
}

/** @throws GatewayError unauthorized when no guard has identified the caller: a wiring fault, closed by default. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined) {
    throw new GatewayError('unauthorized', 'The request carries no identity.');
  }
  return request.caller;
}
