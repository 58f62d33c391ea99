import {
  ChatReply,
  GatewayError,
  StopSource,
  NO_USAGE,
  amended,
  asGatewayError,
  type Bill,
  type ChatCall,
  type ChatChunk,
  type ChatHandler,
  type ChunkReader,
  type ChunkSource,
  type Outcome,
  type Progress,
  type ReplyEnd,
  type SpendHold,
  type StopSignal,
  type Target,
} from '@sluice/kernel';

/** Characters kept for late joiners and slow readers. A run that has sent more takes nobody new. */
const MAX_CHARS = 8 * 1024 ** 2;
/** What a chunk takes beside its text, in characters. */
const CHUNK_CHARS = 200;

interface Reader {
  readonly call: ChatCall;
  /** Chunks read. */
  position: number;
  left: boolean;
}

const FREE: Bill = { usage: NO_USAGE, costMicroUsd: 0 };

/**
 * One upstream run read by several identical calls of one caller.
 *
 * - Late joiners get what was already sent. The upstream is pulled at the pace of the fastest reader. What is kept for the
 *   others is bounded: beyond it, nobody may join, what all have read is let go, and who is too far behind is sent away.
 * - The earliest reader still present pays: its hold covers the run, its bill is the run's bill.
 * - The run is aborted when the last reader has left.
 */
export class SharedRun implements SpendHold {
  readonly #readers: Reader[] = [];
  readonly #abort = new StopSource();
  readonly #runCall: ChatCall;
  readonly #reply: Promise<ChatReply>;
  /** Without the first ones, which were let go. */
  readonly #chunks: ChatChunk[] = [];
  #gone = 0;
  #keptChars = 0;
  readonly #maxChars: number;
  readonly #onOver: () => void;
  #iterator: ChunkReader | undefined;
  #pulling: Promise<void> | undefined;
  #end: ReplyEnd | undefined;
  #failure: GatewayError | undefined;
  #finished = false;
  #over = false;
  #target: Target | undefined;
  /** What has gone upstream. */
  #upstream: Target | undefined;
  #payerAtEnd: Reader | undefined;

  constructor(leader: ChatCall, next: ChatHandler, onOver: () => void, maxChars = MAX_CHARS) {
    this.#onOver = onOver;
    this.#maxChars = maxChars;
    this.#runCall = leader.with({ signal: this.#abort });
    this.#runCall.hold = this;
    this.#readers.push({ call: leader, position: 0, left: false });
    this.#reply = this.#start(next);
    // Readers await it themselves; without readers nobody must be told.
    this.#reply.catch(() => undefined);
  }

  /** Takes part in the run. The first to join is its leader. */
  async join(call: ChatCall): Promise<ChatReply> {
    let reader = this.#readers.find((r) => r.call === call);
    const leading = reader !== undefined;
    if (reader === undefined) {
      reader = { call, position: 0, left: false };
      this.#readers.push(reader);
    }
    const me = reader;
    let reply: ChatReply;
    try {
      reply = await leavable(this.#reply, call.signal);
    } catch (error) {
      throw this.#leave(me) ? await this.#billed(error) : error;
    } finally {
      this.#copyFacts(me, leading);
    }
    const message = reply.peek();
    if (message !== undefined) {
      const end = this.#end;
      const bill = this.#payer() === me && end !== undefined ? end : FREE;
      return ChatReply.message(message, {
        ...(reply.wire === undefined ? {} : { wire: reply.wire }),
        bill: { usage: bill.usage, costMicroUsd: bill.costMicroUsd },
      });
    }
    return ChatReply.stream(this.#read(me), (outcome) => this.#billOf(me, outcome));
  }

  // --- the hold of the run's call: that of whoever pays

  cover(target: Target): Promise<void> | undefined {
    this.#target = target;
    return this.#payer()?.call.hold.cover(target);
  }

  sending(target: Target): void {
    this.#upstream = target;
    this.#payer()?.call.hold.sending(target);
  }

  progress(outputTokens: number): Progress | Promise<Progress> {
    return this.#payer()?.call.hold.progress(outputTokens) ?? 'go';
  }

  get joinable(): boolean {
    if (this.#over || this.#gone > 0 || this.#keptChars > this.#maxChars) return false;
    return this.#readers.some((r) => !r.left);
  }

  async #start(next: ChatHandler): Promise<ChatReply> {
    try {
      const reply = await next(this.#runCall);
      reply.observe({
        onEnd: (end) => {
          this.#end = end;
          this.#payerAtEnd = this.#payer();
        },
      });
      if (this.#abort.aborted) {
        // The answer came as the last reader left: nobody else would close it.
        await reply.abandon();
        throw amended(left(), { bill: this.#end });
      }
      if (reply.kind === 'message') {
        reply.take();
        this.#close();
      } else {
        this.#iterator = reply.chunks();
      }
      return reply;
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  #read(reader: Reader): ChunkSource {
    return {
      take: () => {
        if (reader.position >= this.#gone + this.#chunks.length && !this.#takeOne())
          return undefined;
        return this.#next(reader);
      },
      [Symbol.asyncIterator]: () => ({
        next: async (): Promise<IteratorResult<ChatChunk>> => {
          while (reader.position >= this.#gone + this.#chunks.length) {
            if (this.#failure !== undefined) throw this.#failure;
            if (this.#finished) return { done: true, value: undefined };
            this.#pulling ??= this.#pull();
            await this.#pulling;
          }
          return { done: false, value: this.#next(reader) };
        },
        return: async (): Promise<IteratorResult<ChatChunk>> => {
          this.#leave(reader);
          return { done: true, value: undefined };
        },
      }),
    };
  }

  #next(reader: Reader): ChatChunk {
    const chunk = this.#chunks[reader.position - this.#gone];
    if (chunk === undefined) throw tooSlow();
    reader.position++;
    return chunk;
  }

  /** Keeps a chunk that is here already; false when one must wait for it, or for how the run ended. */
  #takeOne(): boolean {
    if (this.#pulling !== undefined || this.#over) return false;
    try {
      const chunk = this.#iterator?.take();
      if (chunk !== undefined) this.#keep(chunk);
      return chunk !== undefined;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** Fetches one chunk for everybody. */
  async #pull(): Promise<void> {
    try {
      const step = await this.#iterator?.next();
      if (step === undefined || step.done === true) {
        this.#finished = true;
        this.#close();
      } else {
        this.#keep(step.value);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#pulling = undefined;
    }
  }

  #fail(error: unknown): void {
    this.#failure = asGatewayError(error);
    this.#close();
  }

  #keep(chunk: ChatChunk): void {
    this.#chunks.push(chunk);
    this.#keptChars += lengthOf(chunk);
    while (this.#keptChars > this.#maxChars && this.#chunks.length > 1) {
      const [first, ...others] = this.#readers.filter((reader) => !reader.left);
      if (first === undefined) return;
      const slowest = others.reduce((a, b) => (b.position < a.position ? b : a), first);
      // It gives way to who reads faster, as if it had left; its next read says so.
      if (slowest.position <= this.#gone) this.#leave(slowest);
      else this.#letGo(slowest.position);
    }
  }

  #letGo(before: number): void {
    for (const chunk of this.#chunks.splice(0, before - this.#gone)) {
      this.#gone++;
      this.#keptChars -= lengthOf(chunk);
    }
  }

  #billOf(reader: Reader, outcome: Outcome): Bill {
    // A reader that leaves before the end asks first: it is still present, and pays only if nobody is left.
    if (outcome === 'abandoned') this.#leave(reader);
    const end = this.#end;
    if (end === undefined) return FREE;
    const paid = this.#payerAtEnd === reader;
    return {
      usage: paid ? end.usage : NO_USAGE,
      costMicroUsd: paid ? end.costMicroUsd : 0,
      ...(end.message === undefined ? {} : { message: end.message }),
    };
  }

  /** What the run has spent until its last reader left, who pays for it: its end is waited for, which is near. */
  async #billed(error: unknown): Promise<GatewayError> {
    const end = await this.#reply.then(() => undefined, asGatewayError);
    return amended(asGatewayError(error), { bill: end?.bill });
  }

  /** @returns true when the run ends with this reader */
  #leave(reader: Reader): boolean {
    if (reader.left) return false;
    const paying = this.#payer() === reader;
    const last = this.#readers.every((r) => r === reader || r.left);
    const ending = last && !this.#over;
    if (ending) {
      // Ends the run's reply while this reader still counts as its payer: the tokens made so far are its.
      this.#close();
      this.#abort.abort(new GatewayError('client_closed', 'Every reader of the call has left.'));
      void this.#iterator?.return?.();
    }
    reader.left = true;
    if (paying && !last && !this.#over && this.#target !== undefined) {
      void this.#takeOver(this.#payer()?.call.hold, this.#target);
    }
    return ending;
  }

  /** The next reader's hold covers what is under way. A refusal cannot stop an answer that is being made: settling charges it. */
  async #takeOver(hold: SpendHold | undefined, target: Target): Promise<void> {
    try {
      await hold?.cover(target);
      if (this.#upstream !== undefined) hold?.sending(this.#upstream);
    } catch {
      // See above.
    }
  }

  #payer(): Reader | undefined {
    return this.#readers.find((r) => !r.left);
  }

  /** What the run wrote down belongs to each reader's story; attempts alone are the payer's. */
  #copyFacts(reader: Reader, leading: boolean): void {
    const from = this.#runCall.journal;
    const to = reader.call.journal;
    to.routing = from.routing;
    to.path = from.path;
    to.upstreamMs += from.upstreamMs;
    Object.assign(to.headers, from.headers);
    if (leading) {
      to.attempts.push(...from.attempts);
    } else {
      const served = from.attempts.at(-1);
      to.cache = {
        verdict: 'coalesced',
        tier: 'coalesced',
        ...(served?.costMicroUsd === undefined ? {} : { savedMicroUsd: served.costMicroUsd }),
        ...(served === undefined
          ? {}
          : { answeredBy: { model: served.model, provider: served.provider } }),
      };
    }
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onOver();
  }
}

/** Of what came from upstream word for word the events are not made for this. */
function lengthOf(chunk: ChatChunk): number {
  return CHUNK_CHARS + (chunk.frame?.data ?? JSON.stringify(chunk.events)).length;
}

function tooSlow(): GatewayError {
  return new GatewayError(
    'overloaded',
    'The stream was read too slowly to be kept for this reader.',
  );
}

function left(): GatewayError {
  return new GatewayError('client_closed', 'The client has left.');
}

/** Waits for `promise`, but no longer than the caller does. */
function leavable<T>(promise: Promise<T>, signal: StopSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(left());
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(left());
    };
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(
      (value) => {
        signal.removeEventListener('abort', onAbort);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', onAbort);
        reject(asGatewayError(error));
      },
    );
  });
}
