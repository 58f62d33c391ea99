import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Logger } from '@sluice/observability';
import { anthropicStatus, WireCatalogue } from '@sluice/chat';
import { GatewayError, type DialectName } from '@sluice/kernel';
import { ConfigStore } from '@sluice/config';
import { answerHeaders } from '../chat/reply.writer.js';
import { JSON_TYPE } from '../http/json-answer.js';

/** The one place where errors become HTTP: status, headers, and a body in the caller's dialect. */
@Catch()
export class GatewayExceptionFilter implements ExceptionFilter {
  constructor(
    private readonly wires: WireCatalogue,
    private readonly logger: Logger,
    private readonly config: ConfigStore,
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    if (isHealthReport(thrown)) {
      reply.status(thrown.getStatus()).send(thrown.getResponse());
      return;
    }
    const error = toGatewayError(thrown, request);
    if (request.chatCall !== undefined) request.chatCall.journal.error = error;
    if (error.code === 'internal') {
      this.logger.error({ err: error.cause ?? thrown, requestId: request.id }, 'unhandled error');
    }
    if (reply.sent || reply.raw.headersSent) return;
    const dialect = dialectOf(request);
    reply.status(dialect === 'anthropic' ? anthropicStatus(error) : error.status);
    reply.headers(errorHeaders(error));
    if (error.code === 'method_not_allowed') {
      reply.header('allow', request.server.routeTable.methodsOf(pathOf(request)).join(', '));
    }
    if (request.chatCall !== undefined) {
      reply.headers(answerHeaders(request.chatCall, this.config.current.version));
    }
    reply.header('content-type', JSON_TYPE);
    reply.send(this.wires.get(dialect).error(error, request.id));
  }
}

/** Terminus reports bad health by throwing; its body is the report itself. */
function isHealthReport(thrown: unknown): thrown is HttpException {
  if (!(thrown instanceof HttpException) || thrown.getStatus() !== 503) return false;
  const body = thrown.getResponse();
  return typeof body === 'object' && 'details' in body;
}

/** Decided by the matched route; only where none matched by the path, which then opens nothing. */
function dialectOf(request: FastifyRequest): DialectName {
  const url = request.routeOptions.url ?? pathOf(request);
  return url.startsWith('/v1/messages') ? 'anthropic' : 'openai-chat';
}

function errorHeaders(error: GatewayError): Record<string, string> {
  const headers: Record<string, string> = {};
  if (error.shouldRetry !== undefined) headers['x-should-retry'] = String(error.shouldRetry);
  // Whole seconds, rounded up: a client that waits as told must not be refused again.
  if (error.retryAfterMs !== undefined) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)));
  }
  return headers;
}

/** Fastify's and Nest's own errors in our codes. */
function toGatewayError(thrown: unknown, request: FastifyRequest): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const status =
    thrown instanceof HttpException
      ? thrown.getStatus()
      : (thrown as { statusCode?: unknown } | null)?.statusCode;
  const message = thrown instanceof Error ? thrown.message : 'The request was refused.';
  if (status === 404) return noRoute(request);
  if (status === 413) return new GatewayError('body_too_large', 'The request body is too large.');
  if (status === 401) return new GatewayError('unauthorized', message);
  if (status === 403) return new GatewayError('forbidden', message);
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new GatewayError('invalid_request', message);
  }
  return new GatewayError('internal', 'The gateway failed to handle this request.', {
    cause: thrown,
  });
}

function noRoute(request: FastifyRequest): GatewayError {
  const path = pathOf(request);
  const methods = request.server.routeTable.methodsOf(path);
  if (methods.length > 0) {
    return new GatewayError(
      'method_not_allowed',
      `${path.slice(0, 200)} does not answer to ${request.method}, only to ${methods.join(', ')}.`,
    );
  }
  return new GatewayError(
    'not_found',
    `Unknown request URL: ${request.method} ${path.slice(0, 200)}. See /docs for the routes of this gateway.`,
  );
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '';
}
