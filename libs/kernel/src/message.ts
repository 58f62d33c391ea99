import type { ChatChunk, ChatEvent, FinishReason } from './event.js';
import type { Part, ReasoningPart, RefusalPart, TextPart, ToolCallPart } from './prompt.js';
import { NO_USAGE, type Usage } from './usage.js';

export interface Choice {
  readonly index: number;
  readonly parts: readonly Part[];
  readonly finish: FinishReason;
  readonly stopSequence?: string;
  readonly logprobs?: unknown;
}

/** A finished answer in the neutral form. */
export interface ChatMessage {
  readonly id: string;
  /** The model name as the upstream states it. */
  readonly model: string;
  /** Unix seconds. */
  readonly created: number;
  readonly choices: readonly Choice[];
  /** What the answer took when it was made, also when it is served from a cache for nothing. */
  readonly usage: Usage;
}

interface OpenChoice {
  parts: Part[];
  tools: Map<number, { id: string; name: string; arguments: string; at: number }>;
  finish: FinishReason | undefined;
  stopSequence: string | undefined;
  logprobs: unknown[];
  reasoningBlock: number | undefined;
}

/** Puts a streamed answer together again. Feed it events in order; {@link message} may be asked at any time. */
export class MessageAssembler {
  #id = '';
  #model = '';
  #created = 0;
  #usage: Usage = NO_USAGE;
  readonly #choices = new Map<number, OpenChoice>();

  add(chunk: ChatChunk): void {
    for (const event of chunk.events) this.addEvent(event);
  }

  addEvent(event: ChatEvent): void {
    switch (event.type) {
      case 'start':
        this.#id = event.id;
        this.#model = event.model;
        this.#created = event.created ?? Math.floor(Date.now() / 1000);
        return;
      case 'usage':
        this.#usage = event.usage;
        return;
      case 'finish': {
        const choice = this.#choice(event.choice);
        choice.finish = event.reason;
        choice.stopSequence = event.stopSequence;
        return;
      }
      case 'text': {
        const choice = this.#choice(event.choice);
        if (event.text !== '') appendText(choice.parts, 'text', event.text);
        if (event.logprobs !== undefined && event.logprobs !== null)
          choice.logprobs.push(event.logprobs);
        return;
      }
      case 'refusal':
        appendText(this.#choice(event.choice).parts, 'refusal', event.text);
        return;
      case 'reasoning':
        appendReasoning(this.#choice(event.choice), event);
        return;
      case 'tool_call': {
        const choice = this.#choice(event.choice);
        const open = choice.tools.get(event.index);
        if (open === undefined) {
          choice.tools.set(event.index, {
            id: event.id ?? '',
            name: event.name ?? '',
            arguments: event.arguments,
            at: choice.parts.length,
          });
          choice.parts.push({ type: 'tool_call', id: '', name: '', arguments: '' });
        } else {
          open.arguments += event.arguments;
          if (open.id === '' && event.id !== undefined) open.id = event.id;
          if (open.name === '' && event.name !== undefined) open.name = event.name;
        }
      }
    }
  }

  get usage(): Usage {
    return this.#usage;
  }

  message(): ChatMessage {
    const choices = [...this.#choices.entries()]
      .sort(([a], [b]) => a - b)
      .map(([index, open]): Choice => {
        const parts = [...open.parts];
        for (const tool of open.tools.values()) {
          const part: ToolCallPart = {
            type: 'tool_call',
            id: tool.id,
            name: tool.name,
            arguments: tool.arguments,
          };
          parts[tool.at] = part;
        }
        return {
          index,
          parts,
          finish: open.finish ?? 'length',
          ...(open.stopSequence === undefined ? {} : { stopSequence: open.stopSequence }),
          ...(open.logprobs.length === 0 ? {} : { logprobs: mergeLogprobs(open.logprobs) }),
        };
      });
    return {
      id: this.#id,
      model: this.#model,
      created: this.#created,
      choices,
      usage: this.#usage,
    };
  }

  #choice(index: number): OpenChoice {
    let choice = this.#choices.get(index);
    if (choice === undefined) {
      choice = {
        parts: [],
        tools: new Map(),
        finish: undefined,
        stopSequence: undefined,
        logprobs: [],
        reasoningBlock: undefined,
      };
      this.#choices.set(index, choice);
    }
    return choice;
  }
}

function appendText(parts: Part[], type: 'text' | 'refusal', text: string): void {
  const last = parts.at(-1);
  if (last?.type === type) {
    const joined: TextPart | RefusalPart = { ...last, text: last.text + text };
    parts[parts.length - 1] = joined;
  } else {
    parts.push({ type, text });
  }
}

function appendReasoning(
  choice: OpenChoice,
  event: Extract<ChatEvent, { type: 'reasoning' }>,
): void {
  const last = choice.parts.at(-1);
  const sameBlock = last?.type === 'reasoning' && choice.reasoningBlock === event.block;
  const before: ReasoningPart = sameBlock ? last : { type: 'reasoning', text: '' };
  const signature = event.signature ?? before.signature;
  const redacted = event.redacted ?? before.redacted;
  const part: ReasoningPart = {
    ...before,
    text: before.text + event.text,
    ...(signature === undefined ? {} : { signature }),
    ...(redacted === undefined ? {} : { redacted }),
  };
  if (sameBlock) choice.parts[choice.parts.length - 1] = part;
  else choice.parts.push(part);
  choice.reasoningBlock = event.block;
}

/** OpenAI streams `{content: [...], refusal: [...]}` per chunk; the whole is their concatenation. */
function mergeLogprobs(pieces: readonly unknown[]): unknown {
  const content: unknown[] = [];
  const refusal: unknown[] = [];
  for (const piece of pieces) {
    const p = piece as { content?: unknown; refusal?: unknown };
    if (Array.isArray(p.content)) content.push(...(p.content as unknown[]));
    if (Array.isArray(p.refusal)) refusal.push(...(p.refusal as unknown[]));
  }
  return { content, refusal: refusal.length === 0 ? null : refusal };
}

/** A finished message as the events that a stream would have brought, for replaying it. */
export function eventsOf(message: ChatMessage): ChatEvent[] {
  const events: ChatEvent[] = [
    { type: 'start', id: message.id, model: message.model, created: message.created },
  ];
  for (const choice of message.choices) {
    let tool = 0;
    let block = 0;
    let logprobs = choice.logprobs;
    for (const part of choice.parts) {
      if (part.type === 'text') {
        events.push({
          type: 'text',
          choice: choice.index,
          text: part.text,
          ...(logprobs === undefined ? {} : { logprobs }),
        });
        logprobs = undefined;
      } else if (part.type === 'refusal') {
        events.push({ type: 'refusal', choice: choice.index, text: part.text });
      } else if (part.type === 'reasoning') {
        events.push({
          type: 'reasoning',
          choice: choice.index,
          text: part.text,
          block: block++,
          ...(part.signature === undefined ? {} : { signature: part.signature }),
          ...(part.redacted === undefined ? {} : { redacted: part.redacted }),
        });
      } else if (part.type === 'tool_call') {
        events.push({
          type: 'tool_call',
          choice: choice.index,
          index: tool++,
          id: part.id,
          name: part.name,
          arguments: part.arguments,
        });
      }
    }
    events.push({
      type: 'finish',
      choice: choice.index,
      reason: choice.finish,
      ...(choice.stopSequence === undefined ? {} : { stopSequence: choice.stopSequence }),
    });
  }
  events.push({ type: 'usage', usage: message.usage });
  return events;
}
