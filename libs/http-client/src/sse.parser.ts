import { HttpFailure } from './http.failure.js';

/** One server-sent event. */
export interface SseEvent {
  /** The `event:` field; undefined when there was none. */
  readonly event: string | undefined;
  readonly data: string;
}

export interface SseParserOptions {
  /** Longest line, and longest event, in UTF-16 code units. */
  readonly maxLineLength?: number;
}

const DEFAULT_MAX_LINE = 4 * 1024 * 1024;
const CR = 13;
const LF = 10;
const COLON = 58;
const SPACE = 32;
const BYTE_ORDER_MARK = 0xfeff;

/**
 * The event-stream interpretation of the HTML standard (section 9.2.6), fed with buffers cut anywhere.
 * `id` and `retry` fields are ignored: nobody here reconnects. An event without its closing blank line is dropped.
 */
export class SseParser {
  readonly #maxLine: number;
  /** Up to three bytes of a UTF-8 character that the last buffer cut. */
  #bytes: Buffer | undefined;
  /** Pieces of a line without its end: joined once, so that many small pieces cost linear time. */
  #pieces: string[] = [];
  #piecesLength = 0;
  #afterCr = false;
  #first = true;
  #event: string | undefined;
  #data: string | undefined;

  constructor(options: SseParserOptions = {}) {
    this.#maxLine = options.maxLineLength ?? DEFAULT_MAX_LINE;
  }

  /** @throws HttpFailure too_large for a line or event beyond the cap. */
  push(chunk: Buffer): SseEvent[] {
    const events: SseEvent[] = [];
    let text = this.#decode(chunk);
    if (text === '') return events;
    if (this.#first) {
      this.#first = false;
      if (text.charCodeAt(0) === BYTE_ORDER_MARK) text = text.slice(1);
    }
    if (this.#afterCr) {
      this.#afterCr = false;
      if (text.charCodeAt(0) === LF) text = text.slice(1);
    }
    // JSON holds no raw CR, so nearly every buffer takes the plain search for LF.
    if (text.includes('\r')) this.#readAnyEnds(text, events);
    else this.#readLf(text, events);
    return events;
  }

  #readLf(text: string, events: SseEvent[]): void {
    let from = 0;
    for (;;) {
      const end = text.indexOf('\n', from);
      if (end === -1) break;
      this.#line(text, from, end, events);
      from = end + 1;
    }
    this.#keep(from === 0 ? text : text.slice(from));
  }

  #readAnyEnds(text: string, events: SseEvent[]): void {
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code !== CR && code !== LF) continue;
      this.#line(text, from, at, events);
      if (code === CR) {
        if (at + 1 === text.length) this.#afterCr = true;
        else if (text.charCodeAt(at + 1) === LF) at++;
      }
      from = at + 1;
    }
    this.#keep(text.slice(from));
  }

  #keep(rest: string): void {
    if (rest === '') return;
    this.#piecesLength += rest.length;
    if (this.#piecesLength > this.#maxLine) this.#tooLong();
    this.#pieces.push(rest);
  }

  #line(source: string, from: number, end: number, events: SseEvent[]): void {
    if (this.#pieces.length > 0) {
      this.#pieces.push(source.slice(from, end));
      const line = this.#pieces.join('');
      this.#pieces = [];
      this.#piecesLength = 0;
      this.#field(line, 0, line.length, events);
    } else {
      this.#field(source, from, end, events);
    }
  }

  #field(text: string, from: number, end: number, events: SseEvent[]): void {
    if (from === end) {
      this.#dispatch(events);
      return;
    }
    if (end - from > this.#maxLine) this.#tooLong();
    if (text.startsWith('data:', from)) {
      this.#addData(text.slice(valueAt(text, from + 5, end), end));
    } else if (text.startsWith('event:', from)) {
      this.#event = text.slice(valueAt(text, from + 6, end), end);
    } else if (text.charCodeAt(from) !== COLON) {
      // A line without a colon is a field with an empty value.
      const name = text.slice(from, end);
      if (name === 'data') this.#addData('');
      else if (name === 'event') this.#event = '';
    }
  }

  #addData(value: string): void {
    this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
    if (this.#data.length > this.#maxLine) this.#tooLong();
  }

  #dispatch(events: SseEvent[]): void {
    if (this.#data !== undefined) {
      events.push({ event: this.#event === '' ? undefined : this.#event, data: this.#data });
      this.#data = undefined;
    }
    this.#event = undefined;
  }

  #decode(chunk: Buffer): string {
    let bytes = chunk;
    if (this.#bytes !== undefined) {
      bytes = Buffer.concat([this.#bytes, chunk]);
      this.#bytes = undefined;
    }
    const whole = wholeCharacters(bytes);
    if (whole < bytes.length) this.#bytes = Buffer.from(bytes.subarray(whole));
    return bytes.toString('utf8', 0, whole);
  }

  #tooLong(): never {
    throw new HttpFailure(
      'too_large',
      `a line of the event stream is longer than ${this.#maxLine} characters`,
    );
  }
}

function valueAt(text: string, from: number, end: number): number {
  return from < end && text.charCodeAt(from) === SPACE ? from + 1 : from;
}

/** How many leading bytes end with a whole UTF-8 character (or with rubbish, which decodes to U+FFFD). */
function wholeCharacters(bytes: Buffer): number {
  const length = bytes.length;
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = bytes[length - back] ?? 0;
    if (byte < 0x80) return length;
    if (byte >= 0xc0) {
      const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return needed > back ? length - back : length;
    }
  }
  return length;
}
