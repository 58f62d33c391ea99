import type { Transform } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { StopSignal } from '@sluice/kernel';
import { decoderFor } from './content.decoder.js';
import { asHttpFailure, HttpFailure } from './http.failure.js';
import { SseParser, type SseEvent } from './sse.parser.js';

export type HttpHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** An answer whose status line and headers are in hand. Its body is read once, by one of the three readers. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: HttpHeaders;
  /** The whole body, decompressed. @throws HttpFailure */
  bytes(): Promise<Buffer>;
  /** The whole body as text. @throws HttpFailure */
  text(): Promise<string>;
  /** The body as server-sent events, batched as the network brought them. Leaving early closes the connection. */
  events(): AsyncIterableIterator<readonly SseEvent[]>;
  /** Closes the connection without reading further. */
  discard(): void;
}

export interface ExchangeTerms {
  readonly maxBodyBytes: number;
  readonly maxLineLength: number;
  readonly totalMs: number | undefined;
  readonly signal: StopSignal | undefined;
  readonly onSending: (() => void) | undefined;
}

interface Reader {
  data(bytes: Buffer): void;
  end(): void;
  fail(failure: Error): void;
}

/** Bytes that a slow reader may leave waiting before the socket is paused. */
const HIGH_WATER = 256 * 1024;

/**
 * One request and its answer, as an undici handler: no Readable, no web stream. Ends exactly once,
 * whoever ends it: the upstream, the signal, a timer or the reader.
 */
export class HttpExchange implements Dispatcher.DispatchHandler, HttpResponse {
  status = 0;
  headers: HttpHeaders = {};
  readonly answered: Promise<HttpResponse>;
  readonly #terms: ExchangeTerms;
  #resolve!: (response: HttpResponse) => void;
  #reject!: (failure: Error) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #decoder: Transform | undefined;
  #timer: NodeJS.Timeout | undefined;
  #received = 0;
  #ended = false;
  #over = false;
  #failure: Error | undefined;
  #reader: Reader | undefined;
  /** What came before a reader was chosen. */
  #early: Buffer[] = [];

  constructor(terms: ExchangeTerms) {
    this.#terms = terms;
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    terms.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (terms.totalMs !== undefined) this.#timer = setTimeout(this.#onTimeout, terms.totalMs);
  }

  // --- undici's side

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#failure !== undefined) {
      controller.abort(this.#failure);
      return;
    }
    try {
      this.#terms.onSending?.();
    } catch (error) {
      this.#fail(error instanceof Error ? error : asHttpFailure(error));
    }
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: HttpHeaders): void {
    if (status < 200) return;
    this.status = status;
    this.headers = headers;
    try {
      const encoding = headers['content-encoding'];
      this.#decoder = decoderFor(Array.isArray(encoding) ? encoding.join(',') : encoding);
    } catch (error) {
      this.#fail(asHttpFailure(error));
      return;
    }
    this.#decoder
      ?.on('data', (bytes: Buffer) => {
        this.#decoded(bytes);
      })
      .on('end', () => {
        this.#finish();
      })
      .on('error', (error) => {
        this.#fail(
          new HttpFailure('encoding', `the answer cannot be decompressed: ${error.message}`, error),
        );
      })
      .on('drain', () => this.#controller?.resume());
    this.#resolve(this);
  }

  onResponseData(controller: Dispatcher.DispatchController, bytes: Buffer): void {
    if (this.#decoder === undefined) this.#decoded(bytes);
    else if (!this.#decoder.write(bytes)) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#decoder === undefined) this.#finish();
    else this.#decoder.end();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#fail(this.#failure ?? asHttpFailure(error));
  }

  // --- the reader's side

  bytes(): Promise<Buffer> {
    return this.#whole((bytes) => bytes);
  }

  text(): Promise<string> {
    return this.#whole((bytes) => bytes.toString('utf8'));
  }

  events(): AsyncIterableIterator<readonly SseEvent[]> {
    const parser = new SseParser({ maxLineLength: this.#terms.maxLineLength });
    const queue: (readonly SseEvent[])[] = [];
    let queued = 0;
    let over = false;
    let failure: Error | undefined;
    let wanted: PromiseWithResolvers<IteratorResult<readonly SseEvent[]>> | undefined;
    const finish = (): void => {
      over = true;
      wanted?.resolve({ done: true, value: undefined });
      wanted = undefined;
    };
    this.#read({
      data: (bytes) => {
        const events = parser.push(bytes);
        if (events.length === 0) return;
        if (wanted !== undefined) {
          wanted.resolve({ done: false, value: events });
          wanted = undefined;
          return;
        }
        queue.push(events);
        queued += bytes.length;
        if (queued > HIGH_WATER) this.#controller?.pause();
      },
      end: finish,
      fail: (reason) => {
        over = true;
        failure = reason;
        wanted?.reject(reason);
        wanted = undefined;
      },
    });
    const iterator: AsyncIterableIterator<readonly SseEvent[]> = {
      [Symbol.asyncIterator]: () => iterator,
      next: () => {
        const events = queue.shift();
        if (events !== undefined) {
          if (queue.length === 0) {
            queued = 0;
            this.#controller?.resume();
          }
          return Promise.resolve({ done: false, value: events });
        }
        if (failure !== undefined) return Promise.reject(failure);
        if (over) return Promise.resolve({ done: true, value: undefined });
        wanted = Promise.withResolvers();
        return wanted.promise;
      },
      return: () => {
        this.discard();
        queue.length = 0;
        failure = undefined;
        finish();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
    return iterator;
  }

  discard(): void {
    this.#reader ??= { data: () => undefined, end: () => undefined, fail: () => undefined };
    this.#early = [];
    this.#fail(new HttpFailure('aborted', 'the answer was not wanted any more'));
  }

  #whole<T>(as: (bytes: Buffer) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      this.#read({
        data: (bytes) => pieces.push(bytes),
        end: () => {
          const [first] = pieces;
          resolve(as(pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces)));
        },
        fail: reject,
      });
    });
  }

  #read(reader: Reader): void {
    if (this.#reader !== undefined) throw new TypeError('a body can be read only once');
    this.#reader = reader;
    const early = this.#early;
    this.#early = [];
    try {
      for (const bytes of early) reader.data(bytes);
    } catch (error) {
      // The exchange itself may have ended well before anybody read it.
      const failure = asHttpFailure(error);
      this.#fail(failure);
      reader.fail(failure);
      return;
    }
    if (this.#failure !== undefined) reader.fail(this.#failure);
    else if (this.#ended) reader.end();
  }

  #decoded(bytes: Buffer): void {
    if (this.#over) return;
    this.#received += bytes.length;
    if (this.#received > this.#terms.maxBodyBytes) {
      this.#fail(
        new HttpFailure('too_large', `the answer is longer than ${this.#terms.maxBodyBytes} bytes`),
      );
      return;
    }
    if (this.#reader === undefined) {
      this.#early.push(bytes);
      return;
    }
    try {
      this.#reader.data(bytes);
    } catch (error) {
      this.#fail(asHttpFailure(error));
    }
  }

  #finish(): void {
    if (this.#over) return;
    this.#close();
    this.#ended = true;
    this.#reader?.end();
  }

  #fail(failure: Error): void {
    if (this.#over) return;
    this.#close();
    this.#failure = failure;
    this.#controller?.abort(failure);
    this.#decoder?.destroy();
    this.#reject(failure);
    this.#reader?.fail(failure);
  }

  #close(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#terms.signal?.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => {
    this.#fail(new HttpFailure('aborted', 'the request was aborted', this.#terms.signal?.reason));
  };
  readonly #onTimeout = (): void => {
    this.#fail(new HttpFailure('timeout', `no whole answer within ${this.#terms.totalMs ?? 0} ms`));
  };
}
