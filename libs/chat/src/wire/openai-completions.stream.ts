import type { ChatCall, ChatChunk, ChatEvent, GatewayError, Usage } from '@sluice/kernel';
import { chatUsage } from './openai-chat.format.js';
import { completionFinish, echoed, legacyLogprobs } from './openai-completions.format.js';
import { openAiError } from './openai-error.format.js';
import { dataEvent, stopNote } from './sse.format.js';
import type { WireStream } from './wire-dialect.js';

/** Writes legacy completions SSE. */
export class OpenAiCompletionsStream implements WireStream {
  readonly #includeUsage: boolean;
  readonly #echo: string;
  #id: string;
  #model: string;
  #created = Math.floor(Date.now() / 1000);
  #usage: Usage | undefined;
  /** UTF-16 units written so far, by choice. */
  readonly #written = new Map<number, number>();

  constructor(call: ChatCall) {
    this.#includeUsage = call.includeUsage;
    this.#echo = echoed(call);
    this.#id = call.id;
    this.#model = call.model;
  }

  chunk(chunk: ChatChunk): string {
    let out = '';
    for (const event of chunk.events) out += this.#event(event);
    return out;
  }

  heartbeat(): string {
    return ': keep-alive\n\n';
  }

  end(extra?: Readonly<Record<string, unknown>>): string {
    const wanted = extra !== undefined || (this.#includeUsage && this.#usage !== undefined);
    const usage = this.#usage === undefined ? {} : { usage: chatUsage(this.#usage) };
    const sluice = extra === undefined ? {} : { sluice: extra };
    const last = wanted ? dataEvent({ ...this.#envelope(), choices: [], ...usage, ...sluice }) : '';
    return `${last}data: [DONE]\n\n`;
  }

  error(error: GatewayError): string {
    return dataEvent(openAiError(error));
  }

  #event(event: ChatEvent): string {
    switch (event.type) {
      case 'start':
        this.#id = event.id;
        this.#model = event.model;
        this.#created = event.created ?? this.#created;
        return '';
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'text': {
        const before = this.#written.get(event.choice);
        const echo = before === undefined ? this.#echo : '';
        const at = (before ?? 0) + echo.length;
        this.#written.set(event.choice, at + event.text.length);
        return this.#line(event.choice, {
          text: echo + event.text,
          logprobs: legacyLogprobs(event.logprobs, at),
        });
      }
      case 'finish':
        return this.#line(
          event.choice,
          { text: '', logprobs: null, finish_reason: completionFinish(event.reason) },
          stopNote(event),
        );
      default:
        return '';
    }
  }

  #line(
    index: number,
    choice: Record<string, unknown>,
    note: Readonly<Record<string, unknown>> = {},
  ): string {
    return dataEvent({
      ...this.#envelope(),
      choices: [{ index, finish_reason: null, ...choice }],
      ...(this.#includeUsage ? { usage: null } : {}),
      ...note,
    });
  }

  #envelope(): Record<string, unknown> {
    return {
      id: this.#id,
      object: 'text_completion',
      created: this.#created,
      model: this.#model,
    };
  }
}
