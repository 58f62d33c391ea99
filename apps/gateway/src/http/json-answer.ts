import type { FastifyReply, FastifyRequest } from 'fastify';

type Headers = Readonly<Record<string, string | number>>;

/** Answers smaller than this are not compressed: it costs more than it saves. */
export const COMPRESS_ABOVE_BYTES = 1024;

export const JSON_TYPE = 'application/json; charset=utf-8';

/**
 * Constant, and so cheaper than a library that computes them per answer.
 * Swagger UI and the dashboard are served from here and need nothing from elsewhere.
 */
const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
};
const FIXED = [...Object.entries(SECURITY_HEADERS).flat(), 'content-type', JSON_TYPE];

/** What every answer carries, whoever sends it. */
export function commonHeaders(request: FastifyRequest): Headers {
  return { ...SECURITY_HEADERS, 'x-request-id': request.id, 'request-id': request.id };
}

/**
 * A JSON text with its headers. It goes to Node as it is: by way of Fastify's reply, some twenty-five headers are put one by one into
 * an object that V8 turns into a hash table on the way, and each hook is asked; a tenth of the time of an exact hit.
 */
export class JsonAnswer {
  constructor(
    private readonly body: string,
    private readonly headers: readonly Headers[],
  ) {}

  /** Answers the request, and is the last to do so. */
  sendBy(reply: FastifyReply): void {
    const bytes = Buffer.byteLength(this.body);
    if (bytes >= COMPRESS_ABOVE_BYTES && mayCompress(reply.request)) {
      void reply.send(this.applyTo(reply));
      return;
    }
    const { id } = reply.request;
    const head: (string | number)[] = [...FIXED, 'x-request-id', id, 'request-id', id];
    // Of guards and of CORS.
    append(head, reply.getHeaders() as Headers);
    for (const part of this.headers) append(head, part);
    head.push('content-length', bytes);
    reply.request.answerBytes = bytes;
    // Not before the head is written: where a header is refused, the error still has to be answered.
    reply.raw.writeHead(reply.statusCode, head as string[]);
    reply.hijack();
    reply.raw.end(this.body);
  }

  /** Puts the headers on the reply, and gives the body: for who has more to do with them. */
  applyTo(reply: FastifyReply): string {
    for (const part of this.headers) reply.headers(part);
    reply.header('content-type', JSON_TYPE);
    return this.body;
  }
}

function append(head: (string | number)[], part: Headers): void {
  for (const name in part) {
    const value = part[name];
    if (value !== undefined) head.push(name, value);
  }
}

function mayCompress({ headers }: FastifyRequest): boolean {
  return headers['accept-encoding'] !== undefined;
}
