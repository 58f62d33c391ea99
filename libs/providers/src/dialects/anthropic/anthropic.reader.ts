import {
  ChatChunk,
  GatewayError,
  type ChatEvent,
  type Usage,
  type WireFrame,
} from '@sluice/kernel';
import type { DialectStreamReader, SseEvent } from '../../provider-dialect.js';
import {
  finishOf,
  string,
  usageOf,
  type WireBlock,
  type WireMessage,
  type WireUsage,
} from './anthropic.message.js';

interface WireEvent {
  readonly type?: string;
  readonly index?: number;
  readonly message?: WireMessage;
  readonly content_block?: WireBlock | null;
  readonly delta?: {
    readonly type?: string;
    readonly text?: string;
    readonly thinking?: string;
    readonly signature?: string;
    readonly partial_json?: string;
    readonly stop_reason?: string | null;
    readonly stop_sequence?: string | null;
  } | null;
  readonly usage?: WireUsage | null;
}

/** Reads a Messages stream. Deltas are parsed only when somebody asks for their events. */
export class AnthropicReader implements DialectStreamReader {
  #wireUsage: WireUsage = {};
  #usage: Usage | undefined;
  #stopped = false;
  #tools = -1;
  /** Tool index by block index: Anthropic numbers all blocks, the neutral form the calls alone. */
  readonly #toolOf = new Map<number, number>();

  constructor(private readonly failure: (body: unknown) => GatewayError) {}

  read({ event, data }: SseEvent): ChatChunk | undefined {
    if (data === '') return undefined;
    // Servers that leave the event name out still send the type.
    const name = event ?? string(parse(data).type);
    const frame: WireFrame = { dialect: 'anthropic', event: name, data };
    switch (name) {
      case 'content_block_delta':
        return ChatChunk.lazy(frame, () => this.#delta(data));
      case 'message_start':
        return ChatChunk.framed(frame, this.#start(parse(data)));
      case 'content_block_start':
        return ChatChunk.framed(frame, this.#block(parse(data)));
      case 'message_delta':
        return ChatChunk.framed(frame, this.#finish(parse(data)));
      case 'message_stop':
        this.#stopped = true;
        return ChatChunk.framed(frame, []);
      case 'error':
        throw this.failure(parse(data));
      default:
        return ChatChunk.framed(frame, []);
    }
  }

  usage(): Usage | undefined {
    return this.#usage;
  }

  done(): boolean {
    return this.#stopped;
  }

  #start(event: WireEvent): ChatEvent[] {
    const message = event.message ?? {};
    const start: ChatEvent = {
      type: 'start',
      id: string(message.id),
      model: string(message.model),
    };
    return [start, ...this.#count(message.usage)];
  }

  #block(event: WireEvent): ChatEvent[] {
    const block = event.content_block ?? {};
    const at = event.index ?? 0;
    switch (block.type) {
      case 'tool_use':
        this.#tools += 1;
        this.#toolOf.set(at, this.#tools);
        return [
          {
            type: 'tool_call',
            choice: 0,
            index: this.#tools,
            id: string(block.id),
            name: string(block.name),
            arguments: '',
          },
        ];
      case 'redacted_thinking':
        return [
          { type: 'reasoning', choice: 0, text: '', redacted: string(block.data), block: at },
        ];
      case 'text':
        return string(block.text) === ''
          ? []
          : [{ type: 'text', choice: 0, text: string(block.text) }];
      default:
        return [];
    }
  }

  /** Runs lazily, so it must not throw: a delta that is not JSON means nothing. */
  #delta(data: string): ChatEvent[] {
    let event: WireEvent;
    try {
      event = parse(data);
    } catch {
      return [];
    }
    const { delta } = event;
    const at = event.index ?? 0;
    switch (delta?.type) {
      case 'text_delta':
        return [{ type: 'text', choice: 0, text: string(delta.text) }];
      case 'thinking_delta':
        return [{ type: 'reasoning', choice: 0, text: string(delta.thinking), block: at }];
      case 'signature_delta':
        return [
          { type: 'reasoning', choice: 0, text: '', signature: string(delta.signature), block: at },
        ];
      case 'input_json_delta': {
        const index = this.#toolOf.get(at);
        if (index === undefined) return [];
        return [{ type: 'tool_call', choice: 0, index, arguments: string(delta.partial_json) }];
      }
      default:
        return [];
    }
  }

  #finish(event: WireEvent): ChatEvent[] {
    const stop = event.delta?.stop_sequence;
    const events: ChatEvent[] = [];
    if (typeof event.delta?.stop_reason === 'string') {
      events.push({
        type: 'finish',
        choice: 0,
        reason: finishOf(event.delta.stop_reason),
        ...(typeof stop === 'string' ? { stopSequence: stop } : {}),
      });
    }
    return [...events, ...this.#count(event.usage)];
  }

  /** Cumulative: each report replaces the one before. */
  #count(wire: WireUsage | null | undefined): ChatEvent[] {
    if (wire === null || wire === undefined) return [];
    const { wire: all, usage } = usageOf(wire, this.#wireUsage);
    this.#wireUsage = all;
    this.#usage = usage;
    return [{ type: 'usage', usage }];
  }
}

/** @throws SyntaxError for what is not a JSON object */
function parse(data: string): WireEvent {
  const value: unknown = JSON.parse(data);
  if (typeof value !== 'object' || value === null) throw new SyntaxError('not a JSON object');
  return value;
}
