import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EventStreamCodec } from '@smithy/core/event-streams';

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

/** One event of ConverseStream in the binary framing of AWS (`application/vnd.amazon.eventstream`). */
export function bedrockEvent(type: string, payload: object): Buffer {
  const header = (value: string) => ({ type: 'string' as const, value });
  return Buffer.from(
    codec.encode({
      headers: {
        ':event-type': header(type),
        ':content-type': header('application/json'),
        ':message-type': header(type.endsWith('Exception') ? 'exception' : 'event'),
        ...(type.endsWith('Exception') ? { ':exception-type': header(type) } : {}),
      },
      body: Buffer.from(JSON.stringify(payload)),
    }),
  );
}

export interface BedrockScript {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  /** JSON as text, for numbers that JavaScript would write otherwise. */
  readonly text?: string;
  readonly events?: readonly Buffer[];
  /** Never ends the body. */
  readonly hang?: boolean;
}

/** A real HTTP server that is shaped like Bedrock's runtime. */
export class BedrockServer {
  readonly requests: {
    path: string;
    body: any;
    headers: IncomingMessage['headers'];
    closed: Promise<void>;
  }[] = [];
  script: BedrockScript = {};
  readonly url: string;

  private constructor(private readonly server: Server) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => void this.#serve(request, response));
  }

  static async start(): Promise<BedrockServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new BedrockServer(server);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const { status = 200, headers, json, text, events, hang } = this.script;
    this.requests.push({
      path: request.url ?? '',
      body: JSON.parse(Buffer.concat(pieces).toString()),
      headers: request.headers,
      closed: new Promise((resolve) => response.on('close', () => resolve())),
    });
    const type = events === undefined ? 'application/json' : 'application/vnd.amazon.eventstream';
    response.writeHead(status, { 'content-type': type, ...headers });
    if (events === undefined) response.end(text ?? JSON.stringify(json));
    else {
      for (const event of events) response.write(event);
      if (hang !== true) response.end();
    }
  }
}
