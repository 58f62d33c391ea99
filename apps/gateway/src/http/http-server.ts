import { FastifyAdapter } from '@nestjs/platform-fastify';
import compress from '@fastify/compress';
import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import type { Socket } from 'node:net';
import type { ConfigStore } from '@sluice/config';
import { uuidv7 } from '@sluice/kernel';
import { registerBodyParser } from './body-parser.js';
import { COMPRESS_ABOVE_BYTES, commonHeaders } from './json-answer.js';
import { RouteTable } from './route-table.js';

const KEEP_ALIVE_MS = 72_000;

const windows = (kind: string): string[] =>
  ['limit', 'remaining', 'reset'].map((field) => `x-ratelimit-${field}${kind}`);

/** What a page may read of an answer from another origin: browsers hide all headers that are not named. */
const EXPOSED_HEADERS = [
  'age',
  'request-id',
  'retry-after',
  'x-request-id',
  'x-should-retry',
  ...['', '-requests', '-tokens'].flatMap(windows),
  ...['requests', 'tokens'].flatMap((of) =>
    ['limit', 'remaining', 'reset'].map((field) => `anthropic-ratelimit-${of}-${field}`),
  ),
  ...[
    'cache',
    'config',
    'cost-usd',
    'dropped',
    'grade',
    'limits',
    'model',
    'overhead-ms',
    'provider',
    'routing-level',
    'similarity',
    'token-count',
  ].map((name) => `x-sluice-${name}`),
];

/** Fastify as Nest's adapter, set up for a gateway: own ids, strict bodies, errors in the callers' shape. */
export function createHttpAdapter(config: ConfigStore): FastifyAdapter {
  const { TRUST_PROXY: trusted } = config.env;
  const adapter = new FastifyAdapter({
    genReqId: () => uuidv7(),
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Above keepAliveTimeout, else Node ends a connection that is just being reused.
    requestTimeout: 120_000,
    trustProxy: trusted.length === 0 ? false : [...trusted],
    // The parser enforces limits.bodyBytes, which may change with a reload; this is only the outer wall.
    bodyLimit: 1024 ** 3,
    clientErrorHandler: answerClientError,
    routerOptions: { maxParamLength: 512 },
    forceCloseConnections: 'idle',
  });
  const app = adapter.getInstance<FastifyInstance>();
  RouteTable.register(app);
  app.decorateRequest('startedAt', 0);
  app.decorateRequest('answerBytes', 0);
  app.decorateRequest('route', 'unknown');
  app.addHook('onRequest', (request, _reply, done) => {
    request.startedAt = performance.now();
    // Fastify makes an object of twelve fields whenever it is asked for one.
    request.route = request.routeOptions.url ?? 'unknown';
    done();
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    reply.headers(commonHeaders(request));
    done(null, payload);
  });
  registerBodyParser(app, config);
  return adapter;
}

/** Plugins that apply to all routes; awaited before Nest registers its routes. */
export async function registerHttpPlugins(
  adapter: FastifyAdapter,
  config: ConfigStore,
): Promise<void> {
  const app = adapter.getInstance<FastifyInstance>();
  await app.register(compress, {
    threshold: COMPRESS_ABOVE_BYTES,
    // Request bodies are decompressed by our own parser, which caps them.
    globalDecompression: false,
    encodings: ['gzip', 'br', 'deflate'],
    customTypes: /^application\/(?:[\w.+-]+\+)?json|^text\/(?!event-stream)/,
  });
  const { origins } = config.current.sluice.cors;
  if (origins.length > 0) {
    await app.register(cors, {
      origin: origins.includes('*') ? '*' : [...origins],
      exposedHeaders: EXPOSED_HEADERS,
    });
  }
}

/** Requests that Node's parser refused: there is no route yet, so the answer is in the OpenAI shape. */
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const timeout = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const [status, message, code] = tooLarge
    ? [
        '431 Request Header Fields Too Large',
        'The request headers are larger than 16 KB.',
        'header_too_large',
      ]
    : timeout
      ? ['408 Request Timeout', 'The request was not sent in time.', 'invalid_request']
      : ['400 Bad Request', 'The request is not valid HTTP.', 'invalid_request'];
  const body = JSON.stringify({
    error: { message, type: 'invalid_request_error', param: null, code },
  });
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
