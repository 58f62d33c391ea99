import {
  GatewayError,
  RawJson,
  type ChatCall,
  type ChatChunk,
  type ChatEvent,
  type Usage,
} from '@sluice/kernel';
import { isObject } from './field.check.js';
import { chatFinish, chatUsage, reasoningDetail } from './openai-chat.format.js';
import { openAiError } from './openai-error.format.js';
import { dataEvent, stopNote } from './sse.format.js';
import type { WireStream } from './wire-dialect.js';

/** Outside of JSON strings only: inside one the quotes are escaped. */
const NULL_USAGE = /,\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,/;
/** As OpenAI itself and most servers write it, at the end of each frame. */
const USAGE_AT_END = ',"usage":null}';
const NO_CHOICES = /"choices"\s*:\s*\[\s*\]/;

/** Writes Chat Completions SSE. Frames of an OpenAI upstream are text and stay text. */
export class OpenAiChatStream implements WireStream {
  readonly #includeUsage: boolean;
  #id: string;
  #model: string;
  #created = Math.floor(Date.now() / 1000);
  #firstFrame: string | undefined;
  /** The upstream's usage-only frame: held back, because `sluice` facts are known at the end alone. */
  #usageFrame: string | undefined;
  #usage: Usage | undefined;
  readonly #begun = new Set<number>();
  readonly #called = new Set<number>();
  readonly #refused = new Set<number>();
  #details = 0;

  constructor(call: ChatCall) {
    this.#includeUsage = call.includeUsage;
    this.#id = call.id;
    this.#model = call.model;
  }

  chunk(chunk: ChatChunk): string {
    const { frame } = chunk;
    if (frame?.dialect === 'openai-chat') return this.#frame(frame.data);
    let out = '';
    for (const event of chunk.events) out += this.#event(event);
    return out;
  }

  heartbeat(): string {
    return ': keep-alive\n\n';
  }

  end(extra?: Readonly<Record<string, unknown>>): string {
    return `${this.#final(extra)}data: [DONE]\n\n`;
  }

  error(error: GatewayError): string {
    return dataEvent(openAiError(error));
  }

  #frame(data: string): string {
    this.#firstFrame ??= data;
    const at = data.indexOf('"usage"');
    if (at === -1) return `data: ${data}\n\n`;
    const before = data.length - USAGE_AT_END.length;
    // The place is known by now: two searches by pattern were an eighth of a stream's way from packet to socket.
    if (at === before + 1 && data.endsWith(USAGE_AT_END)) {
      return this.#includeUsage ? `data: ${data}\n\n` : `data: ${data.slice(0, before)}}\n\n`;
    }
    if (NULL_USAGE.test(data)) {
      return `data: ${this.#includeUsage ? data : data.replace(NULL_USAGE, '')}\n\n`;
    }
    if (NO_CHOICES.test(data)) {
      this.#usageFrame = data;
      return '';
    }
    return this.#includeUsage ? `data: ${data}\n\n` : `data: ${withoutUsage(data)}\n\n`;
  }

  #final(extra: Readonly<Record<string, unknown>> | undefined): string {
    if (!this.#includeUsage && extra === undefined) return '';
    if (this.#usageFrame !== undefined) {
      if (extra === undefined) return `data: ${this.#usageFrame}\n\n`;
      return `data: ${extended(this.#usageFrame, extra)}\n\n`;
    }
    if (this.#usage === undefined && extra === undefined) return '';
    return dataEvent({
      ...this.#envelope(),
      choices: [],
      ...(this.#usage === undefined ? {} : { usage: chatUsage(this.#usage) }),
      ...(extra === undefined ? {} : { sluice: extra }),
    });
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
      case 'text':
        return this.#delta(event.choice, { content: event.text }, event.logprobs);
      case 'refusal':
        this.#refused.add(event.choice);
        return this.#delta(event.choice, { refusal: event.text });
      case 'reasoning':
        return this.#reasoning(event);
      case 'tool_call':
        this.#called.add(event.choice);
        return this.#delta(event.choice, {
          tool_calls: [
            {
              index: event.index,
              ...(event.id === undefined ? {} : { id: event.id, type: 'function' }),
              function: {
                ...(event.name === undefined ? {} : { name: event.name }),
                arguments: event.arguments,
              },
            },
          ],
        });
      case 'finish': {
        const finish_reason = chatFinish(event.reason, {
          called: this.#called.has(event.choice),
          refused: this.#refused.has(event.choice),
        });
        return this.#line(
          [{ index: event.choice, delta: {}, logprobs: null, finish_reason }],
          stopNote(event),
        );
      }
    }
  }

  #reasoning(event: Extract<ChatEvent, { type: 'reasoning' }>): string {
    const detail = reasoningDetail(event, event.block ?? this.#details);
    if (detail !== undefined) this.#details += 1;
    return this.#delta(event.choice, {
      ...(event.text === '' ? {} : { reasoning_content: event.text }),
      ...(detail === undefined ? {} : { reasoning_details: [detail] }),
    });
  }

  #delta(index: number, delta: Record<string, unknown>, logprobs?: unknown): string {
    const first = !this.#begun.has(index);
    if (first) this.#begun.add(index);
    const whole = first ? { role: 'assistant', ...delta } : delta;
    return this.#line([{ index, delta: whole, logprobs: logprobs ?? null, finish_reason: null }]);
  }

  #line(choices: readonly unknown[], note: Readonly<Record<string, unknown>> = {}): string {
    const nothingYet = this.#includeUsage ? { usage: null } : {};
    return dataEvent({ ...this.#envelope(), choices, ...nothingYet, ...note });
  }

  #envelope(): Record<string, unknown> {
    if (this.#firstFrame !== undefined) {
      // Our own words in an upstream's stream (a budget that ends it): they continue its identity.
      const first = parseObject(this.#firstFrame);
      this.#firstFrame = undefined;
      if (typeof first.id === 'string') this.#id = first.id;
      if (typeof first.model === 'string') this.#model = first.model;
      if (typeof first.created === 'number') this.#created = first.created;
    }
    return {
      id: this.#id,
      object: 'chat.completion.chunk',
      created: this.#created,
      model: this.#model,
    };
  }
}

/** Some servers put usage into the last content chunk; all else in it is the upstream's, byte for byte. */
function withoutUsage(data: string): string {
  const whole = parseObject(data);
  const left = new RawJson(Buffer.from(data)).without(whole, 'usage');
  if (left !== undefined) return left.toString();
  const { usage: _usage, ...rest } = whole;
  return JSON.stringify(rest);
}

/** The facts that the caller asked for, in an upstream's frame. */
function extended(data: string, extra: Readonly<Record<string, unknown>>): string {
  const whole = parseObject(data);
  const added = new RawJson(Buffer.from(data)).with(whole, { sluice: extra });
  return added?.toString() ?? JSON.stringify({ ...whole, sluice: extra });
}

function parseObject(data: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(data);
    if (isObject(value)) return value;
  } catch (cause) {
    throw new GatewayError('upstream_error', 'The upstream sent a chunk that is not JSON.', {
      cause,
    });
  }
  throw new GatewayError('upstream_error', 'The upstream sent a chunk that is not an object.');
}
