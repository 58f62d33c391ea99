import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { chatChunks, chatCompletion } from './openai-fixtures.js';

/** What the upstream does with one request. */
export interface Script {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Answer body as JSON. */
  readonly json?: unknown;
  /** Answer body as it is, for rubbish and compressed bodies. */
  readonly body?: string | Buffer;
  /** Server-sent events: objects become `data: {json}`, strings are written as they are (with their newlines). */
  readonly sse?: readonly (string | object)[];
  /** Ends an `sse` answer with `data: [DONE]`; true unless said otherwise. */
  readonly done?: boolean;
  /** Milliseconds before the status line. */
  readonly delayMs?: number;
  /** Milliseconds before each SSE frame but the first. */
  readonly frameDelayMs?: number;
  /** The socket is destroyed after so many bytes of the body. */
  readonly cutAfterBytes?: number;
  /** `before`: never answers. `after`: never ends the body. */
  readonly hang?: 'before' | 'after' | boolean;
  /** Destroys the socket (TCP reset) instead of answering. */
  readonly reset?: boolean;
  /** What this answer is billed with; read from `json` or `sse` when left out. */
  readonly usage?: { readonly input: number; readonly output: number };
}

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The body, when it is JSON. */
  readonly json: any;
  readonly at: number;
  /** Resolves with `performance.now()` when the answer was finished or its connection is gone. */
  readonly closed: Promise<number>;
  /** True when the connection went away before the answer was finished. */
  readonly aborted: boolean;
}

type Handler = (request: RecordedRequest) => Script | Promise<Script>;

/**
 * A real HTTP server that speaks OpenAI and does what it is told. Each request takes, in this order, the handler of
 * its path, the next queued script, the standing script, or a default answer of the right shape.
 */
export class ScriptedUpstream {
  readonly requests: RecordedRequest[] = [];
  /** What the upstream would send a bill for. */
  readonly ledger = { calls: 0, input: 0, output: 0 };
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #queue: Script[] = [];
  readonly #handlers = new Map<string, Handler>();
  #standing: Script | Handler | undefined;
  #open = 0;
  #peak = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.on('request', (request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(): Promise<ScriptedUpstream> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ScriptedUpstream(server);
  }

  /** For `baseUrl` of an `openai` provider. */
  get baseUrl(): string {
    return `${this.url}/v1`;
  }
  /** Requests being answered now. */
  get open(): number {
    return this.#open;
  }
  /** The most requests that were ever open at once. */
  get peak(): number {
    return this.#peak;
  }
  get connections(): number {
    return this.#sockets.size;
  }

  next(...scripts: readonly Script[]): this {
    this.#queue.push(...scripts);
    return this;
  }
  always(script: Script | Handler | undefined): this {
    this.#standing = script;
    return this;
  }
  /** @param path with or without query; the query is ignored unless given. */
  on(path: string, handler: Handler): this {
    this.#handlers.set(path, handler);
    return this;
  }
  reset(): void {
    this.requests.length = 0;
    this.#queue.length = 0;
    this.#handlers.clear();
    this.#standing = undefined;
    this.#peak = 0;
    Object.assign(this.ledger, { calls: 0, input: 0, output: 0 });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#open++;
    this.#peak = Math.max(this.#peak, this.#open);
    const gone = new AbortController();
    const closed = new Promise<number>((resolve) => {
      response.on('close', () => {
        this.#open--;
        gone.abort();
        resolve(performance.now());
      });
    });
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    const record: RecordedRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      text,
      json: parsed(text),
      at: performance.now(),
      closed,
      get aborted() {
        return response.closed && !response.writableFinished;
      },
    };
    this.requests.push(record);
    const script = await this.#scriptFor(record);
    this.#bill(script);
    await play(script, response, gone.signal);
  }

  async #scriptFor(request: RecordedRequest): Promise<Script> {
    const handler =
      this.#handlers.get(request.path) ?? this.#handlers.get(request.path.split('?')[0] ?? '');
    if (handler !== undefined) return handler(request);
    const queued = this.#queue.shift();
    if (queued !== undefined) return queued;
    if (typeof this.#standing === 'function') return this.#standing(request);
    return this.#standing ?? defaultAnswer(request);
  }

  #bill(script: Script): void {
    if (script.reset === true || script.hang === true || script.hang === 'before') return;
    if ((script.status ?? 200) >= 400) return;
    this.ledger.calls++;
    const usage = script.usage ?? usageIn(script);
    this.ledger.input += usage.input;
    this.ledger.output += usage.output;
  }
}

async function play(script: Script, response: ServerResponse, gone: AbortSignal): Promise<void> {
  if (script.delayMs !== undefined) await sleep(script.delayMs, undefined, { signal: gone });
  if (script.reset === true) {
    response.socket?.resetAndDestroy();
    return;
  }
  if (script.hang === true || script.hang === 'before') return;
  response.writeHead(script.status ?? 200, {
    'content-type': script.sse === undefined ? 'application/json' : 'text/event-stream',
    ...script.headers,
  });
  let left = script.cutAfterBytes ?? Infinity;
  for (const [at, piece] of bodyOf(script).entries()) {
    if (at > 0 && script.frameDelayMs !== undefined) {
      await sleep(script.frameDelayMs, undefined, { signal: gone });
    }
    if (piece.length > left) {
      // The bytes must be on the wire before the socket dies, or the client would see a cut at another place.
      await new Promise((resolve) => response.write(piece.subarray(0, left), resolve));
      response.socket?.destroySoon();
      return;
    }
    left -= piece.length;
    response.write(piece);
  }
  if (script.cutAfterBytes !== undefined) response.socket?.destroySoon();
  else if (script.hang === undefined || script.hang === false) response.end();
}

function bodyOf(script: Script): Buffer[] {
  if (script.sse !== undefined) {
    const frames = script.sse.map((frame) =>
      Buffer.from(typeof frame === 'string' ? frame : `data: ${JSON.stringify(frame)}\n\n`),
    );
    return (script.done ?? true) ? [...frames, Buffer.from('data: [DONE]\n\n')] : frames;
  }
  if (script.body !== undefined) return [Buffer.from(script.body)];
  return script.json === undefined ? [] : [Buffer.from(JSON.stringify(script.json))];
}

function usageIn(script: Script): { input: number; output: number } {
  const carriers = [script.json, ...(script.sse ?? [])] as (
    { usage?: Record<string, number> } | undefined
  )[];
  const usage = carriers.findLast((carrier) => carrier?.usage)?.usage;
  return {
    input: usage?.prompt_tokens ?? usage?.input_tokens ?? 0,
    output: usage?.completion_tokens ?? usage?.output_tokens ?? 0,
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function defaultAnswer(request: RecordedRequest): Script {
  if (request.path.endsWith('/models')) return { json: { object: 'list', data: [] } };
  if (request.path.includes('/embeddings')) {
    const inputs = [request.json?.input].flat();
    return {
      json: {
        object: 'list',
        model: request.json?.model,
        data: inputs.map((_, index) => ({ object: 'embedding', index, embedding: [0.6, 0.8] })),
        usage: { prompt_tokens: inputs.length, total_tokens: inputs.length },
      },
    };
  }
  const model = request.json?.model ?? 'scripted';
  if (request.json?.stream === true)
    return { sse: chatChunks({ model, pieces: ['Hello', ' world'] }) };
  return { json: chatCompletion({ model, content: 'Hello world' }) };
}
