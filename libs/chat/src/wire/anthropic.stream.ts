import {
  GatewayError,
  NO_USAGE,
  type ChatCall,
  type ChatChunk,
  type ChatEvent,
  type Usage,
  type WireFrame,
} from '@sluice/kernel';
import { anthropicError, messagesUsage, stopReason } from './anthropic.format.js';
import { isObject } from './field.check.js';
import { namedEvent, rawEvent, stopNote } from './sse.format.js';
import type { WireStream } from './wire-dialect.js';

type Finish = Extract<ChatEvent, { type: 'finish' }>;

/** Writes Messages SSE: one content block is open at a time, and indices count from 0. */
export class AnthropicStream implements WireStream {
  #id: string;
  #model: string;
  #started = false;
  #usage: Usage = NO_USAGE;
  #index = -1;
  /** What the open block is: `text`, `thinking:2`, `tool:0`; undefined when none is open. */
  #open: string | undefined;
  readonly #tools = new Set<number>();
  #finish: Finish | undefined;
  /** `message_delta` and `message_stop` of the upstream, held until the end: only then is `sluice` known. */
  #held: WireFrame[] = [];
  #framed = false;
  #lastBlock: string | undefined;

  constructor(call: ChatCall) {
    this.#id = call.id;
    this.#model = call.model;
  }

  chunk(chunk: ChatChunk): string {
    const { frame } = chunk;
    if (frame?.dialect === 'anthropic') return this.#frame(frame);
    let out = this.#adopt();
    for (const event of chunk.events) out += this.#event(event);
    return out;
  }

  heartbeat(): string {
    return namedEvent({ type: 'ping' });
  }

  end(extra?: Readonly<Record<string, unknown>>): string {
    if (this.#framed && this.#finish === undefined) return this.#flush(extra);
    const { stop_reason, stop_sequence } = stopReason(this.#finish?.reason ?? 'stop', {
      stopSequence: this.#finish?.stopSequence,
      calledTools: this.#tools.size > 0,
    });
    return (
      this.#start() +
      this.#close() +
      namedEvent({
        type: 'message_delta',
        delta: { stop_reason, stop_sequence },
        usage: messagesUsage(this.#usage),
        ...stopNote(this.#finish, extra),
      }) +
      namedEvent({ type: 'message_stop' })
    );
  }

  error(error: GatewayError, requestId: string): string {
    return namedEvent({ ...anthropicError(error, requestId), type: 'error' });
  }

  #frame(frame: WireFrame): string {
    this.#framed = true;
    if (frame.event === 'message_delta' || frame.event === 'message_stop') {
      this.#held.push(frame);
      return '';
    }
    if (frame.event === 'content_block_start') this.#lastBlock = frame.data;
    else if (frame.event === 'content_block_stop') this.#lastBlock = undefined;
    return this.#flush() + rawEvent(frame.event, frame.data);
  }

  #flush(extra?: Readonly<Record<string, unknown>>): string {
    let out = '';
    for (const { event, data } of this.#held) {
      const text = extra !== undefined && event === 'message_delta' ? extend(data, extra) : data;
      out += rawEvent(event, text);
    }
    this.#held = [];
    return out;
  }

  /** Our own events in an upstream's stream (a budget that ends it) go on where its frames stopped. */
  #adopt(): string {
    if (!this.#framed || this.#started) return '';
    this.#started = true;
    if (this.#lastBlock === undefined) return '';
    const block = parseObject(this.#lastBlock);
    this.#index = typeof block.index === 'number' ? block.index : 0;
    this.#open = 'upstream';
    return '';
  }

  #event(event: ChatEvent): string {
    switch (event.type) {
      case 'start':
        this.#id = event.id;
        this.#model = event.model;
        return this.#start();
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'text':
      case 'refusal':
        if (event.text === '') return '';
        return this.#delta('text', { type: 'text', text: '' }, textDelta(event.text));
      case 'reasoning':
        return this.#reasoning(event);
      case 'tool_call':
        return this.#tool(event);
      case 'finish':
        this.#finish = event;
        return this.#close();
    }
  }

  #reasoning(event: Extract<ChatEvent, { type: 'reasoning' }>): string {
    const key = `thinking:${event.block ?? 0}`;
    if (event.redacted !== undefined) {
      const block = { type: 'redacted_thinking', data: event.redacted };
      return this.#block(`${key}:redacted`, block) + this.#close();
    }
    const block = { type: 'thinking', thinking: '', signature: '' };
    let out = '';
    if (event.text !== '') {
      out += this.#delta(key, block, { type: 'thinking_delta', thinking: event.text });
    }
    if (event.signature !== undefined) {
      out += this.#delta(key, block, { type: 'signature_delta', signature: event.signature });
    }
    return out;
  }

  #tool(event: Extract<ChatEvent, { type: 'tool_call' }>): string {
    const key = `tool:${event.index}`;
    let out = '';
    if (this.#open !== key) {
      if (this.#tools.has(event.index)) {
        // A closed block cannot be opened again, and dropping the text would corrupt the call.
        throw new GatewayError(
          'upstream_error',
          'The upstream mixed the pieces of its tool calls.',
        );
      }
      this.#tools.add(event.index);
      out = this.#block(key, {
        type: 'tool_use',
        id: event.id ?? `toolu_${this.#id}_${event.index}`,
        name: event.name ?? '',
        input: {},
      });
    }
    if (event.arguments === '') return out;
    const delta = { type: 'input_json_delta', partial_json: event.arguments };
    return out + this.#blockDelta(delta);
  }

  #delta(key: string, block: Record<string, unknown>, delta: Record<string, unknown>): string {
    const begin = this.#open === key ? '' : this.#block(key, block);
    return begin + this.#blockDelta(delta);
  }

  #blockDelta(delta: Record<string, unknown>): string {
    return namedEvent({ type: 'content_block_delta', index: this.#index, delta });
  }

  #block(key: string, content_block: Record<string, unknown>): string {
    const before = this.#start() + this.#close();
    this.#open = key;
    this.#index += 1;
    return before + namedEvent({ type: 'content_block_start', index: this.#index, content_block });
  }

  #close(): string {
    if (this.#open === undefined) return '';
    this.#open = undefined;
    return namedEvent({ type: 'content_block_stop', index: this.#index });
  }

  #start(): string {
    if (this.#started) return '';
    this.#started = true;
    return namedEvent({
      type: 'message_start',
      message: {
        id: this.#id,
        type: 'message',
        role: 'assistant',
        model: this.#model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: messagesUsage(this.#usage),
      },
    });
  }
}

function textDelta(text: string): Record<string, unknown> {
  return { type: 'text_delta', text };
}

function extend(data: string, extra: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...parseObject(data), sluice: extra });
}

/** Frames were read by the provider's dialect before; one that is no object carries nothing to extend. */
function parseObject(data: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(data);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
