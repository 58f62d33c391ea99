import type { FastifyInstance, FastifyRequest } from 'fastify';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Readable } from 'node:stream';
import type { ConfigStore } from '@sluice/config';
import {
  GatewayError,
  isExactNumber,
  parseExact,
  RawJson,
  scanJson,
  type JsonOutline,
} from '@sluice/kernel';

/** How much of a body that is too large is read before the client is cut off. */
const DRAIN_FACTOR = 8;

/** The word itself, or one of its letters written as an escape, which nobody does for ASCII without a reason. */
const MAY_HOLD_PROTO = /__proto__|\\u00(?:5f|70|72|6f|74)/i;

/** Routes whose body may go to an upstream as it is. Elsewhere nobody needs it twice. */
const KEPT_RAW: ReadonlySet<string> = new Set([
  '/v1/chat/completions',
  '/v1/messages',
  '/v1/messages/count_tokens',
]);

/** First byte of a byte order mark, which is decoded to nothing and which not every upstream expects. */
const BYTE_ORDER_MARK = 0xef;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Bodies: JSON only (plus whatever type plain `curl -d` claims on `/chat`), capped after decompression,
 * strict UTF-8, capped in depth and array length.
 */
export function registerBodyParser(app: FastifyInstance, config: ConfigStore): void {
  app.removeAllContentTypeParsers();

  app.addHook('preParsing', (request, _reply, payload, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined || encoding === 'identity') {
      done(null, payload);
      return;
    }
    const decoder = decompressor(encoding);
    if (decoder === undefined) {
      done(
        new GatewayError('invalid_request', `Content-Encoding "${encoding}" is not supported.`, {
          param: 'content-encoding',
        }),
      );
      return;
    }
    // The declared length is that of the compressed bytes; Fastify must not compare it with the decoded ones.
    delete request.headers['content-length'];
    payload.on('error', (error) => decoder.destroy(error));
    done(null, payload.pipe(decoder));
  });

  app.addContentTypeParser('application/json', (request, payload, done) => {
    parse(request, payload, config, done);
  });
  app.addContentTypeParser('*', (request, payload, done) => {
    if (request.route === '/chat') {
      parse(request, payload, config, done);
      return;
    }
    payload.resume();
    const type = request.headers['content-type'] ?? 'none';
    done(
      new GatewayError(
        'invalid_request',
        `Content-Type must be application/json, not ${JSON.stringify(type.slice(0, 100))}.`,
        { param: 'content-type' },
      ),
    );
  });
}

function decompressor(encoding: string): (NodeJS.WritableStream & Readable) | undefined {
  switch (encoding.toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    default:
      return undefined;
  }
}

function parse(
  request: FastifyRequest,
  payload: NodeJS.ReadableStream,
  config: ConfigStore,
  done: (error: Error | null, body?: unknown) => void,
): void {
  const { limits } = config.current.sluice;
  const tooLarge = (): GatewayError =>
    new GatewayError(
      'body_too_large',
      `The request body is larger than ${limits.bodyBytes} bytes.`,
    );
  const chunks: Buffer[] = [];
  let size = 0;
  let over = false;
  const finish = (error: Error | null, body?: unknown): void => {
    if (over) return;
    over = true;
    done(error, body);
  };
  payload.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limits.bodyBytes) {
      chunks.push(chunk);
      return;
    }
    chunks.length = 0;
    if (payload !== request.raw) {
      // A bomb must not be unpacked to its end; what is left of the small packed body is thrown away.
      (payload as Readable).destroy();
      request.raw.resume();
      finish(tooLarge());
    } else if (size > limits.bodyBytes * DRAIN_FACTOR) {
      finish(tooLarge());
    }
    // Else read on without keeping anything: a client that is still writing would get a reset, not our answer.
  });
  payload.on('error', () => {
    finish(new GatewayError('invalid_request', 'The request body could not be read.'));
  });
  payload.on('end', () => {
    if (over) return;
    if (size > limits.bodyBytes) {
      finish(tooLarge());
      return;
    }
    try {
      const [first] = chunks;
      const bytes =
        chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, size);
      const { value, outline } = parseJson(bytes, {
        depth: limits.jsonDepth,
        arrayLength: limits.arrayLength,
      });
      if (KEPT_RAW.has(request.route) && bytes[0] !== BYTE_ORDER_MARK) {
        request.rawBody = new RawJson(bytes, outline);
      }
      finish(null, value);
    } catch (error) {
      finish(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

/** @throws GatewayError invalid_request for an empty body, invalid UTF-8, invalid JSON, or JSON beyond the caps. */
export function parseJson(
  bytes: Buffer,
  caps: { readonly depth: number; readonly arrayLength: number },
): { readonly value: unknown; readonly outline: JsonOutline } {
  if (bytes.length === 0) {
    throw new GatewayError(
      'invalid_request',
      'The request has no body; a JSON object is expected.',
    );
  }
  const outline = scanJson(bytes, caps);
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new GatewayError('invalid_request', 'The request body is not valid UTF-8.');
  }
  try {
    const value = parseExact(text);
    if (MAY_HOLD_PROTO.test(text)) dropProto(value);
    return { value, outline };
  } catch (error) {
    throw new GatewayError(
      'invalid_request',
      `The request body is not valid JSON: ${error instanceof Error ? error.message : ''}`,
    );
  }
}

/** `{"__proto__": …}` must not reach code that copies properties one by one. */
function dropProto(value: unknown): void {
  if (typeof value !== 'object' || value === null || isExactNumber(value)) return;
  if (Array.isArray(value)) {
    for (const item of value) dropProto(item);
    return;
  }
  delete (value as { __proto__?: unknown }).__proto__;
  for (const item of Object.values(value)) dropProto(item);
}
