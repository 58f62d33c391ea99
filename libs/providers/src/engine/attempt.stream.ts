import {
  ChatChunk,
  MessageAssembler,
  asGatewayError,
  usage,
  type ChatCall,
  type ChatEvent,
  type ChatMessage,
  type Outcome,
  type Progress,
  type Usage,
} from '@sluice/kernel';
import type { ProviderAnswer } from '../provider-adapter.js';
import type { AttemptGate } from './attempt.gate.js';

type StreamAnswer = Extract<ProviderAnswer, { kind: 'stream' }>;

export interface StreamLimits {
  readonly idleMs: number;
  /** Our own count of the prompt, for streams that end without a report. */
  readonly promptTokens: () => number;
}

/** Chunks without content that are held back at most while waiting for the first content. */
const MOST_HELD = 64;
/** Of prose and code; a chunk that brings less is a token of its own at most upstreams. */
const CHARACTERS_PER_TOKEN = 4;

/**
 * An upstream's stream on its way to the caller: first content awaited, output metered, silence timed, ended early
 * when the caller's budget is used up. Keeps the chunks, so that the whole answer can be put together afterwards.
 */
export class AttemptStream implements AsyncIterableIterator<ChatChunk> {
  readonly #source: AsyncIterator<ChatChunk>;
  readonly #take: (() => ChatChunk | undefined) | undefined;
  readonly #kept: ChatChunk[] = [];
  #next = 0;
  #characters = 0;
  #contentChunks = 0;
  #stop = false;
  #over = false;
  #idle: NodeJS.Timeout | undefined;
  #waiting = false;
  /** A chunk that waits for the hold, when nobody has asked for it with a promise yet. */
  #passing: Promise<ChatChunk> | undefined;

  constructor(
    private readonly answer: StreamAnswer,
    private readonly call: ChatCall,
    private readonly gate: AttemptGate,
    private readonly limits: StreamLimits,
  ) {
    const { chunks } = answer;
    this.#source = chunks[Symbol.asyncIterator]();
    this.#take = chunks.take === undefined ? undefined : () => chunks.take?.();
  }

  /** Pulls until there is something to show, or the end. Until then a failure is nobody's business but the engine's. */
  async open(): Promise<void> {
    while (this.#characters === 0 && this.#kept.length < MOST_HELD) {
      const step = await this.gate.within(this.#source.next());
      if (step.done === true) {
        this.#over = true;
        return;
      }
      this.#keep(step.value);
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  take(): ChatChunk | undefined {
    if (this.#passing !== undefined) return undefined;
    if (this.#next === this.#kept.length) {
      if (this.#over || this.#stop) return undefined;
      const here = this.#here();
      if (here === undefined) return undefined;
      this.#keep(here);
    }
    const chunk = this.#pass();
    if (chunk instanceof ChatChunk) return chunk;
    this.#passing = chunk;
    // Whoever asks next is told; nobody has to.
    chunk.catch(() => undefined);
    return undefined;
  }

  async next(): Promise<IteratorResult<ChatChunk>> {
    if (this.#passing !== undefined) {
      const passing = this.#passing;
      this.#passing = undefined;
      return { done: false, value: await passing };
    }
    if (this.#next === this.#kept.length) {
      if (this.#over) return { done: true, value: undefined };
      if (this.#stop) return { done: false, value: this.#endEarly() };
      const here = this.#here();
      if (here === undefined) {
        const step = await this.#pull();
        if (step.done === true) return step;
        this.#keep(step.value);
      } else {
        this.#keep(here);
      }
    }
    const chunk = this.#pass();
    return { done: false, value: chunk instanceof ChatChunk ? chunk : await chunk };
  }

  async return(): Promise<IteratorResult<ChatChunk>> {
    this.#finish();
    this.gate.cut('closed');
    await this.#source.return?.();
    return { done: true, value: undefined };
  }

  /** What the provider reported, or what was seen of the answer, marked as estimated. */
  usage(outcome: Outcome): Usage {
    const reported = this.answer.usage();
    if (reported !== undefined && outcome === 'completed' && !this.#stop) return reported;
    const input = reported?.input ?? 0;
    return usage({
      ...reported,
      input: input > 0 ? input : this.limits.promptTokens(),
      output: Math.max(reported?.output ?? 0, this.#outputTokens()),
      estimated: true,
    });
  }

  message(spent: Usage): ChatMessage {
    const assembler = new MessageAssembler();
    for (const chunk of this.#kept) assembler.add(chunk);
    return { ...assembler.message(), usage: spent };
  }

  #outputTokens(): number {
    return Math.max(this.#contentChunks, Math.ceil(this.#characters / CHARACTERS_PER_TOKEN));
  }

  #keep(chunk: ChatChunk): void {
    this.#kept.push(chunk);
    const before = this.#characters;
    this.#characters = this.answer.produced?.() ?? before + charactersIn(chunk.events);
    if (this.#characters > before) this.#contentChunks++;
  }

  /** The next of the kept chunks; a promise where the caller's hold must be asked for more first. */
  #pass(): ChatChunk | Promise<ChatChunk> {
    const chunk = this.#kept[this.#next++];
    if (chunk === undefined) throw new TypeError('there is no chunk to pass');
    if (this.#stop || this.#characters === 0) return chunk;
    const progress = this.call.hold.progress(this.#outputTokens());
    if (progress instanceof Promise) {
      return progress.then((now) => {
        this.#heed(now);
        return chunk;
      });
    }
    this.#heed(progress);
    return chunk;
  }

  #heed(progress: Progress): void {
    if (progress === 'go' || this.#stop) return;
    this.#stop = true;
    this.gate.cut('stopped');
  }

  /** What has come by now. */
  #here(): ChatChunk | undefined {
    try {
      return this.#take?.();
    } catch (error) {
      this.#finish();
      throw asGatewayError(error);
    }
  }

  /** Awaits the next chunk with one timer for the whole stream: silence counts only while somebody waits. */
  async #pull(): Promise<IteratorResult<ChatChunk>> {
    this.#waiting = true;
    if (this.#idle === undefined) {
      this.#idle = setTimeout(() => {
        if (this.#waiting) this.gate.cut('idle');
      }, this.limits.idleMs);
    } else {
      this.#idle.refresh();
    }
    try {
      const step = await this.gate.within(this.#source.next());
      if (step.done === true) this.#finish();
      return step;
    } catch (error) {
      this.#finish();
      throw asGatewayError(error);
    } finally {
      this.#waiting = false;
    }
  }

  /** The budget is used up: the answer ends like one that met its maximum length. */
  #endEarly(): ChatChunk {
    this.#finish();
    const finishes: ChatEvent[] = Array.from({ length: this.call.prompt.n ?? 1 }, (_, choice) => ({
      type: 'finish',
      choice,
      reason: 'length',
      stoppedBy: 'budget',
    }));
    const spent = this.usage('completed');
    const chunk = ChatChunk.of(...finishes, { type: 'usage', usage: spent });
    this.#kept.push(chunk);
    this.#next = this.#kept.length;
    void this.#source.return?.().catch(() => undefined);
    return chunk;
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#idle);
  }
}

function charactersIn(events: readonly ChatEvent[]): number {
  let characters = 0;
  for (const event of events) {
    if (event.type === 'text' || event.type === 'refusal' || event.type === 'reasoning') {
      characters += event.text.length;
    } else if (event.type === 'tool_call') {
      characters += event.arguments.length + (event.name?.length ?? 0);
    }
  }
  return characters;
}
