import {
  NO_USAGE,
  type ChatCall,
  type ChatChunk,
  type ChatEvent,
  type GatewayError,
  type Usage,
} from '@sluice/kernel';
import { openAiError } from './openai-error.format.js';
import { isObject } from './field.check.js';
import {
  callItem,
  incompleteReason,
  itemId,
  messageItem,
  reasoningItem,
  refusalContent,
  responseId,
  responseObject,
  textContent,
  tokenLogprobs,
  type OutputItem,
  type ResponseState,
} from './openai-responses.format.js';
import { namedEvent, rawEvent, stopNote } from './sse.format.js';
import type { WireStream } from './wire-dialect.js';

interface OpenText {
  readonly kind: 'text' | 'refusal';
  readonly logprobs: unknown[];
  text: string;
}
interface OpenMessage {
  readonly kind: 'message';
  readonly id: string;
  readonly at: number;
  readonly content: Record<string, unknown>[];
  part: OpenText | undefined;
}
interface OpenReasoning {
  readonly kind: 'reasoning';
  readonly id: string;
  readonly at: number;
  readonly block: number;
  text: string;
  signature: string | undefined;
  redacted: string | undefined;
}
interface OpenCall {
  readonly id: string;
  readonly at: number;
  readonly callId: string;
  readonly name: string;
  arguments: string;
}

type Finish = Extract<ChatEvent, { type: 'finish' }>;

/** Writes Responses SSE: named events, each with the next `sequence_number`. */
export class OpenAiResponsesStream implements WireStream {
  readonly #call: ChatCall;
  #model: string;
  #created = Math.floor(Date.now() / 1000);
  #sequence = 0;
  #started = false;
  #framed = false;
  /** `response.created` of an upstream whose frames are passed on: names the response when we must end it. */
  #firstFrame: string | undefined;
  #heldEnd: { readonly event: string | undefined; readonly data: string } | undefined;
  #usage: Usage | undefined;
  #finish: Finish = { type: 'finish', choice: 0, reason: 'stop' };
  readonly #output: OutputItem[] = [];
  #next = 0;
  #open: OpenMessage | OpenReasoning | undefined;
  /** Calls stay open until the end: their pieces may arrive mixed, and `output_index` tells them apart. */
  readonly #calls = new Map<number, OpenCall>();

  constructor(call: ChatCall) {
    this.#call = call;
    this.#model = call.model;
  }

  chunk(chunk: ChatChunk): string {
    const { frame } = chunk;
    if (frame?.dialect === 'openai-responses') {
      this.#framed = true;
      this.#firstFrame ??= frame.data;
      this.#sequence += 1;
      if (frame.event === 'response.completed' || frame.event === 'response.incomplete') {
        this.#heldEnd = { event: frame.event, data: frame.data };
        return '';
      }
      return rawEvent(frame.event, frame.data);
    }
    let out = '';
    for (const event of chunk.events) out += this.#event(event);
    return out;
  }

  heartbeat(): string {
    return ': keep-alive\n\n';
  }

  end(extra?: Readonly<Record<string, unknown>>): string {
    if (this.#heldEnd !== undefined) {
      const { event, data } = this.#heldEnd;
      return rawEvent(event, extra === undefined ? data : withSluice(data, extra));
    }
    if (this.#framed && !this.#started && this.#finish.stoppedBy === undefined) return '';
    const incomplete = incompleteReason(this.#finish.reason);
    const status = incomplete === undefined ? 'completed' : 'incomplete';
    const closing = this.#start() + this.#closeAll();
    return (
      closing +
      this.#emit(`response.${status}`, {
        response: this.#named(
          this.#response({ status, incomplete, usage: this.#usage ?? NO_USAGE }),
        ),
        ...stopNote(this.#finish, extra),
      })
    );
  }

  /** Both notations of the error: the API's flat one, and the nested one that makes the SDK throw. */
  error(error: GatewayError): string {
    const body = openAiError(error).error as Record<string, unknown>;
    return this.#emit('error', {
      code: body.code,
      message: body.message,
      param: body.param,
      error: body,
    });
  }

  #event(event: ChatEvent): string {
    switch (event.type) {
      case 'start':
        this.#model = event.model;
        this.#created = event.created ?? this.#created;
        return this.#start();
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'text':
        return this.#text('text', event.text, tokenLogprobs(event.logprobs));
      case 'refusal':
        return this.#text('refusal', event.text, []);
      case 'reasoning':
        return this.#reasoning(event);
      case 'tool_call':
        return this.#tool(event);
      case 'finish':
        this.#finish = event;
        return this.#closeAll();
    }
  }

  #text(kind: 'text' | 'refusal', text: string, logprobs: readonly unknown[]): string {
    if (text === '' && logprobs.length === 0) return '';
    let out = '';
    let message = this.#open;
    if (message?.kind !== 'message') {
      out += this.#start() + this.#closeItem();
      const at = this.#next++;
      message = {
        kind: 'message',
        id: itemId('msg', this.#call, at),
        at,
        content: [],
        part: undefined,
      };
      this.#open = message;
      out += this.#added(at, messageItem(message.id, [], 'in_progress'));
    }
    if (message.part?.kind !== kind) {
      out += this.#closePart(message);
      message.part = { kind, text: '', logprobs: [] };
      const part = kind === 'text' ? textContent('') : refusalContent('');
      out += this.#emit('response.content_part.added', { ...place(message), part });
    }
    message.part.text += text;
    message.part.logprobs.push(...logprobs);
    const type = kind === 'text' ? 'response.output_text.delta' : 'response.refusal.delta';
    const tokens = kind === 'text' ? { logprobs } : {};
    return out + this.#emit(type, { ...place(message), delta: text, ...tokens });
  }

  #reasoning(event: Extract<ChatEvent, { type: 'reasoning' }>): string {
    const block = event.block ?? 0;
    let out = '';
    let open = this.#open;
    if (open?.kind !== 'reasoning' || open.block !== block) {
      out += this.#start() + this.#closeItem();
      const at = this.#next++;
      const id = itemId('rs', this.#call, at);
      open = {
        kind: 'reasoning',
        id,
        at,
        block,
        text: '',
        signature: undefined,
        redacted: undefined,
      };
      this.#open = open;
      out += this.#added(at, reasoningItem(id, { text: '' }));
    }
    open.signature = event.signature ?? open.signature;
    open.redacted = event.redacted ?? open.redacted;
    if (event.text === '') return out;
    const summary = { item_id: open.id, output_index: open.at, summary_index: 0 };
    if (open.text === '') {
      const part = { type: 'summary_text', text: '' };
      out += this.#emit('response.reasoning_summary_part.added', { ...summary, part });
    }
    open.text += event.text;
    const type = 'response.reasoning_summary_text.delta';
    return out + this.#emit(type, { ...summary, delta: event.text });
  }

  #tool(event: Extract<ChatEvent, { type: 'tool_call' }>): string {
    let out = '';
    let open = this.#calls.get(event.index);
    if (open === undefined) {
      out += this.#start() + this.#closeItem();
      const at = this.#next++;
      const id = itemId('fc', this.#call, at);
      open = { id, at, callId: event.id ?? id, name: event.name ?? '', arguments: '' };
      this.#calls.set(event.index, open);
      out += this.#added(at, callItem(id, { ...open, id: open.callId }, 'in_progress'));
    }
    if (event.arguments === '') return out;
    open.arguments += event.arguments;
    return (
      out +
      this.#emit('response.function_call_arguments.delta', {
        item_id: open.id,
        output_index: open.at,
        delta: event.arguments,
      })
    );
  }

  #closeAll(): string {
    let out = this.#closeItem();
    for (const open of this.#calls.values()) {
      const { id, at, name } = open;
      const facts = { item_id: id, output_index: at, name, arguments: open.arguments };
      out += this.#emit('response.function_call_arguments.done', facts);
      out += this.#done(at, callItem(id, { ...open, id: open.callId }));
    }
    this.#calls.clear();
    return out;
  }

  #closeItem(): string {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return '';
    if (open.kind === 'message') {
      return this.#closePart(open) + this.#done(open.at, messageItem(open.id, open.content));
    }
    let out = '';
    if (open.text !== '') {
      const summary = { item_id: open.id, output_index: open.at, summary_index: 0 };
      const part = { type: 'summary_text', text: open.text };
      out += this.#emit('response.reasoning_summary_text.done', { ...summary, text: open.text });
      out += this.#emit('response.reasoning_summary_part.done', { ...summary, part });
    }
    return out + this.#done(open.at, reasoningItem(open.id, open));
  }

  #closePart(message: OpenMessage): string {
    const { part } = message;
    if (part === undefined) return '';
    const at = place(message);
    const whole =
      part.kind === 'text' ? textContent(part.text, part.logprobs) : refusalContent(part.text);
    const done =
      part.kind === 'text'
        ? this.#emit('response.output_text.done', {
            ...at,
            text: part.text,
            logprobs: part.logprobs,
          })
        : this.#emit('response.refusal.done', { ...at, refusal: part.text });
    const out = done + this.#emit('response.content_part.done', { ...at, part: whole });
    message.content.push(whole);
    message.part = undefined;
    return out;
  }

  #added(output_index: number, item: OutputItem): string {
    return this.#emit('response.output_item.added', { output_index, item });
  }

  #done(output_index: number, item: OutputItem): string {
    this.#output[output_index] = item;
    return this.#emit('response.output_item.done', { output_index, item });
  }

  #start(): string {
    if (this.#started) return '';
    this.#started = true;
    if (this.#framed) return '';
    const response = this.#response({ status: 'in_progress' });
    return (
      this.#emit('response.created', { response }) +
      this.#emit('response.in_progress', { response })
    );
  }

  /** Our own end of an upstream's stream keeps the upstream's name for the response. */
  #named(response: Record<string, unknown>): Record<string, unknown> {
    if (this.#firstFrame === undefined) return response;
    const first: unknown = JSON.parse(this.#firstFrame);
    const theirs = isObject(first) && isObject(first.response) ? first.response : {};
    return { ...response, ...(typeof theirs.id === 'string' ? { id: theirs.id } : {}) };
  }

  #response(
    state: Pick<ResponseState, 'status' | 'incomplete'> & { readonly usage?: Usage },
  ): Record<string, unknown> {
    return responseObject(this.#call, {
      id: responseId(this.#call),
      model: this.#model,
      created: this.#created,
      output: this.#output,
      ...state,
    });
  }

  #emit(type: string, facts: Record<string, unknown>): string {
    return namedEvent({ type, ...facts, sequence_number: this.#sequence++ });
  }
}

function place(message: OpenMessage): Record<string, unknown> {
  return {
    item_id: message.id,
    output_index: message.at,
    content_index: message.content.length,
  };
}

function withSluice(data: string, extra: Readonly<Record<string, unknown>>): string {
  try {
    const value: unknown = JSON.parse(data);
    return isObject(value) ? JSON.stringify({ ...value, sluice: extra }) : data;
  } catch {
    return data;
  }
}
