import {
  ChatChunk,
  type ChatCall,
  type ChatEvent,
  type GatewayError,
  type Usage,
} from '@sluice/kernel';
import type { DialectStreamReader, SseEvent } from '../../provider-dialect.js';
import { FrameScanner, type FrameTemplate } from './openai-chat.scan.js';
import {
  argumentsText,
  finishOf,
  usageOf,
  type WireText,
  type WireUsage,
} from './openai-chat.message.js';

interface WireChunk {
  readonly id?: string;
  readonly model?: string;
  readonly created?: number;
  readonly choices?: readonly {
    readonly index?: number;
    readonly delta?: WireText | null;
    readonly finish_reason?: string | null;
    readonly logprobs?: unknown;
  }[];
  readonly usage?: WireUsage | null;
}

const OPEN_BRACE = 123;
const NO_CHOICES = /"choices"\s*:\s*\[\s*\]/;

/**
 * Reads a Chat Completions stream by looking for a handful of keys in the text of each frame: parsing JSON that
 * a same-dialect caller receives word for word would be the dearest thing done for it.
 */
export class OpenAiChatReader implements DialectStreamReader {
  #usage: Usage | undefined;
  #produced = 0;
  #finished = 0;
  #done = false;
  #first = true;
  readonly #scanner = new FrameScanner();
  readonly #texts = new TextFrames();
  readonly #choices: number;

  constructor(
    call: ChatCall,
    private readonly failure: (body: unknown) => GatewayError,
  ) {
    this.#choices = typeof call.body.n === 'number' ? call.body.n : 1;
  }

  read({ data }: SseEvent): ChatChunk | undefined {
    if (data === '[DONE]') {
      this.#done = true;
      return undefined;
    }
    if (data === '') return undefined;
    if (data.charCodeAt(0) !== OPEN_BRACE) throw new SyntaxError('a frame is not a JSON object');
    const found = this.#scanner.scan(data);
    if (found.hasError) this.#refuse(data);
    this.#produced += found.said;
    this.#finished += found.finished;
    if (found.hasUsage) this.#usage = usageOf((JSON.parse(data) as WireChunk).usage) ?? this.#usage;
    // Azure begins with a chunk about the prompt, which has neither id nor model.
    const first = this.#first && !NO_CHOICES.test(data);
    if (first) this.#first = false;
    const { template } = found;
    const frame = { dialect: 'openai-chat', data } as const;
    if (template === undefined || first) return ChatChunk.lazy(frame, () => eventsIn(data, first));
    return ChatChunk.lazy(frame, () => this.#texts.eventsIn(data, template));
  }

  usage(): Usage | undefined {
    return this.#usage;
  }

  produced(): number {
    return this.#produced;
  }

  /** Some servers never send `[DONE]`; a finish reason for every choice says the same. */
  done(): boolean {
    return this.#done || this.#finished >= this.#choices;
  }

  #refuse(data: string): void {
    const body = JSON.parse(data) as { error?: unknown };
    if (typeof body.error === 'object' ? body.error !== null : typeof body.error === 'string') {
      throw this.failure(body);
    }
  }
}

/**
 * The events of frames that differ in one text alone: what one of them means, with the text of the other. Parsing each
 * frame of an answer that is to be stored was a twentieth of what its stream cost.
 */
class TextFrames {
  #template: FrameTemplate | undefined;
  /** What a frame of the template means whose text is a mark; undefined where it is more than that text. */
  #choice: number | undefined;

  eventsIn(data: string, template: FrameTemplate): ChatEvent[] {
    if (template !== this.#template) this.#learn(template);
    const text = data.slice(template.head.length, data.length - template.tail.length);
    if (this.#choice === undefined || !isPlain(text)) return eventsIn(data, false);
    return text === '' ? [] : [{ type: 'text', choice: this.#choice, text }];
  }

  #learn(template: FrameTemplate): void {
    this.#template = template;
    const [event, ...others] = eventsIn(`${template.head}${MARK}${template.tail}`, false);
    const plain =
      event?.type === 'text' &&
      event.text === MARK &&
      event.logprobs === undefined &&
      others.length === 0;
    this.#choice = plain ? event.choice : undefined;
  }
}

const MARK = 'text';
const BACKSLASH = 92;
const SPACE = 32;

/** Whether JSON means by it what it says: no escapes, and no control characters, which JSON does not take. */
function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH || code < SPACE) return false;
  }
  return true;
}

/** The neutral events of one frame. A frame that is not JSON means nothing: it must not throw here. */
function eventsIn(data: string, first: boolean): ChatEvent[] {
  try {
    return eventsOf(JSON.parse(data) as WireChunk, first);
  } catch {
    // Neither JSON nor of the expected shape.
    return [];
  }
}

function eventsOf(wire: WireChunk, first: boolean): ChatEvent[] {
  const events: ChatEvent[] = [];
  if (first) {
    events.push({
      type: 'start',
      id: wire.id ?? '',
      model: wire.model ?? '',
      ...(wire.created === undefined ? {} : { created: wire.created }),
    });
  }
  for (const item of wire.choices ?? []) {
    const choice = item.index ?? 0;
    addDelta(events, choice, item.delta ?? {}, item.logprobs);
    if (item.finish_reason)
      events.push({ type: 'finish', choice, reason: finishOf(item.finish_reason) });
  }
  const usage = usageOf(wire.usage);
  if (usage !== undefined) events.push({ type: 'usage', usage });
  return events;
}

function addDelta(events: ChatEvent[], choice: number, delta: WireText, logprobs: unknown): void {
  const reasoning = delta.reasoning_content ?? delta.reasoning;
  if (reasoning) events.push({ type: 'reasoning', choice, text: reasoning });
  const known = logprobs !== undefined && logprobs !== null;
  if (delta.content || known) {
    events.push({
      type: 'text',
      choice,
      text: delta.content ?? '',
      ...(known ? { logprobs } : {}),
    });
  }
  if (delta.refusal) events.push({ type: 'refusal', choice, text: delta.refusal });
  for (const [at, call] of (delta.tool_calls ?? []).entries()) {
    events.push({
      type: 'tool_call',
      choice,
      index: call.index ?? at,
      ...(call.id ? { id: call.id } : {}),
      ...(call.function?.name ? { name: call.function.name } : {}),
      arguments: argumentsText(call.function?.arguments),
    });
  }
}
