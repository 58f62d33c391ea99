import type { CacheConfig, EmbedderConfig } from '@sluice/config';
import type { Clock } from '@sluice/kernel';
import type { Logger } from '@sluice/observability';
import { LEAST_COSINE } from '../decision/pair-verifier.js';
import type { Embedder } from '../embedders/embedder.js';
import { selfTest } from '../embedders/self-test.js';
import { answerToText, type CachedAnswer } from '../exact/cached-answer.js';
import type { ValueCodec } from '../exact/value-codec.js';
import type { VectorMatch, VectorPoint, VectorStore } from '../stores/vector-store.js';
import { NeighbourReader, type SemanticFinding } from './neighbour-reader.js';
import { NumberTwins } from './number-twins.js';
import { pointId, type Question } from './question.js';

export type { Candidate } from './neighbour-reader.js';

export interface SemanticTierParts {
  readonly store: VectorStore;
  readonly codec: ValueCodec;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly embedder: (config: EmbedderConfig) => Promise<Embedder>;
  readonly onFault: (error: unknown) => void;
}

export interface SemanticStatus {
  readonly state: 'off' | 'opening' | 'open' | 'refused';
  readonly reason: string;
  readonly embedder: string;
}

interface QuestionVectors {
  readonly embedder: Embedder;
  readonly message: Float32Array;
  readonly context: Float32Array | undefined;
}

const NOTHING: SemanticFinding = { candidate: undefined, vetoes: [] };
const NEIGHBOURS = 8;
const REOPEN_MS = 30_000;
const MAX_PENDING = 1000;
const BATCH = 64;
/** Texts this much alike to a wrong answer's question go with it. */
const NEIGHBOURHOOD = 0.8;

/** Finds stored answers by meaning. It opens in the background; until then, and while refused, everything is a miss. */
export class SemanticTier {
  #embedder: Embedder | undefined;
  #status: SemanticStatus = { state: 'off', reason: '', embedder: '' };
  #opening: Promise<void> | undefined;
  #wanted = '';
  #openedAt = -Infinity;
  #restUntil = -Infinity;
  readonly #reader: NeighbourReader;
  readonly #twins = new NumberTwins();
  #pending: { question: Question; answer: CachedAnswer }[] = [];
  /** Of questions that were looked up: storing their answers need not embed them again. */
  readonly #vectors = new WeakMap<Question, QuestionVectors>();

  constructor(private readonly parts: SemanticTierParts) {
    this.#reader = new NeighbourReader(parts);
  }

  get status(): SemanticStatus {
    return this.#status;
  }

  /** Opens with the configured embedder, or again when another is configured or the last try failed a while ago. */
  open(cache: CacheConfig, embedders: Readonly<Record<string, EmbedderConfig>>): Promise<void> {
    const name = cache.semantic.embedder;
    const config = embedders[name];
    const wanted = cache.semantic.enabled ? JSON.stringify([name, config]) : '';
    const retry =
      this.#status.state === 'refused' && performance.now() - this.#openedAt > REOPEN_MS;
    if (this.#opening !== undefined) {
      // What was configured meanwhile counts.
      return wanted === this.#wanted
        ? this.#opening
        : this.#opening.then(() => this.open(cache, embedders));
    }
    if (wanted === this.#wanted && !retry) return Promise.resolve();
    this.#wanted = wanted;
    this.#openedAt = performance.now();
    if (wanted === '') {
      this.#status = { state: 'off', reason: 'disabled', embedder: name };
      return Promise.resolve();
    }
    this.#status = { state: 'opening', reason: '', embedder: name };
    this.#opening = this.#start(name, config)
      .then(
        () => {
          this.#status = { state: 'open', reason: '', embedder: name };
        },
        (error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error);
          this.#status = { state: 'refused', reason, embedder: name };
          this.parts.logger.warn({ embedder: name, reason }, 'the semantic cache stays closed');
        },
      )
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  /** Never throws: a fault is a miss within `timeoutMs`. */
  async lookup(question: Question, timeoutMs: number): Promise<SemanticFinding> {
    const found = await this.#look(question, timeoutMs);
    if (!this.#twins.has(question)) return found;
    return { candidate: found.candidate, vetoes: [...found.vetoes, 'number'] };
  }

  /** Queues an answer; true when the caller has to arrange for {@link flush}. */
  keep(question: Question, answer: CachedAnswer): boolean {
    if (this.#status.state !== 'open' || this.#pending.length >= MAX_PENDING) return false;
    const { wire: _ofOneWording, ...rest } = answer;
    this.#pending.push({ question, answer: rest });
    this.#twins.note(question);
    return this.#pending.length === 1;
  }

  /** Embeds and stores what is queued. @param maxEntries of the store */
  async flush(maxEntries?: number): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, BATCH);
      const embedder = this.#embedder;
      if (embedder === undefined) return;
      await this.#embed(embedder, batch);
      const points = await Promise.all(
        batch.map((item) => this.#point(embedder, item.question, item.answer)),
      );
      const found = points.filter((point) => point !== undefined);
      await this.parts.store.upsert(found, maxEntries);
    }
  }

  /** Removes the entry and those whose questions are near it in the same scope; gives how many went. */
  async evict(question: Question, id: string): Promise<number> {
    const ids = new Set([id]);
    if (this.#embedder !== undefined) {
      const near = await this.#search(this.#embedder, question, 64, NEIGHBOURHOOD, 5000);
      for (const { id: neighbour } of near) ids.add(neighbour);
    }
    await this.parts.store.remove([...ids]);
    return ids.size;
  }

  clear(pattern: string | undefined): Promise<number> {
    this.#twins.clear();
    return this.parts.store.clear(pattern);
  }

  sweep(maxEntries: number): Promise<number> {
    return this.parts.store.sweep(this.parts.clock.now(), maxEntries);
  }

  count(): Promise<number> {
    return this.parts.store.count();
  }

  async close(): Promise<void> {
    await this.#opening;
    await this.#embedder?.close();
    await this.parts.store.close();
  }

  async #start(name: string, config: EmbedderConfig | undefined): Promise<void> {
    if (config === undefined) throw new Error(`embedder ${name} is not configured`);
    const embedder = await this.parts.embedder(config);
    try {
      const fault = await selfTest(embedder, 30_000);
      if (fault !== undefined) throw new Error(`embedder ${name} failed its self-test: ${fault}`);
      await this.parts.store.open({
        name: `${embedder.id}_${embedder.dimension}`,
        dimension: embedder.dimension,
      });
    } catch (error) {
      await embedder.close();
      throw error;
    }
    const before = this.#embedder;
    this.#embedder = embedder;
    await before?.close();
  }

  async #search(
    embedder: Embedder,
    question: Question,
    limit: number,
    least: number,
    timeoutMs: number,
  ): Promise<VectorMatch[]> {
    const texts = question.context === '' ? [question.text] : [question.text, question.context];
    const started = performance.now();
    const [message, context] = await embedder.embed(texts, timeoutMs);
    if (message === undefined) return [];
    this.#vectors.set(question, { embedder, message, context });
    return this.parts.store.search({
      scope: question.scope,
      fingerprint: question.fingerprint,
      message,
      ...(context === undefined ? {} : { context }),
      now: this.parts.clock.now(),
      limit,
      least,
      timeoutMs: Math.max(1, timeoutMs - (performance.now() - started)),
    });
  }

  /** Finds the vectors of the questions that no look-up has left any of. */
  async #embed(embedder: Embedder, batch: readonly { question: Question }[]): Promise<void> {
    const bare = batch.filter(({ question }) => this.#vectorsOf(embedder, question) === undefined);
    const texts = new Set(bare.flatMap(({ question }) => [question.text, question.context]));
    texts.delete('');
    if (texts.size === 0) return;
    const vectors = await embedder.embed([...texts], 10_000);
    const vectorOf = new Map([...texts].map((text, i) => [text, vectors[i]]));
    for (const { question } of bare) {
      const message = vectorOf.get(question.text);
      if (message === undefined) continue;
      this.#vectors.set(question, { embedder, message, context: vectorOf.get(question.context) });
    }
  }

  async #look(question: Question, timeoutMs: number): Promise<SemanticFinding> {
    const embedder = this.#embedder;
    if (this.#status.state !== 'open' || embedder === undefined) return NOTHING;
    if (!this.parts.store.mayHold(question.scope, question.fingerprint)) return NOTHING;
    const started = performance.now();
    if (started < this.#restUntil || this.parts.store.isBehind(timeoutMs)) return NOTHING;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      return await Promise.race([this.#find(embedder, question, started, timeoutMs), late]);
    } catch (error) {
      this.#restUntil = performance.now() + 1000;
      this.parts.onFault(error);
      return NOTHING;
    } finally {
      clearTimeout(timer);
    }
  }

  #vectorsOf(embedder: Embedder, question: Question): QuestionVectors | undefined {
    const known = this.#vectors.get(question);
    return known?.embedder === embedder ? known : undefined;
  }

  async #find(
    embedder: Embedder,
    question: Question,
    started: number,
    timeoutMs: number,
  ): Promise<SemanticFinding> {
    const left = timeoutMs - (performance.now() - started);
    const least = LEAST_COSINE[embedder.kind];
    const matches = await this.#search(embedder, question, NEIGHBOURS, least, left);
    return this.#reader.read(question, matches, embedder.kind);
  }

  async #point(
    embedder: Embedder,
    question: Question,
    answer: CachedAnswer,
  ): Promise<VectorPoint | undefined> {
    const vectors = this.#vectorsOf(embedder, question);
    if (vectors === undefined) return undefined;
    const id = pointId(question.key);
    const { codec, store } = this.parts;
    const encoded = (text: string, above: number): Promise<string> | string =>
      store.encodes ? text : codec.encode(id, text, above);
    return {
      id,
      scope: question.scope,
      fingerprint: question.fingerprint,
      key: question.key,
      message: vectors.message,
      ...(vectors.context === undefined ? {} : { context: vectors.context }),
      text: await encoded(question.text, Infinity),
      answer: await encoded(answerToText(answer), 1024),
      storedAt: answer.storedAt,
      expiresAt: answer.expiresAt,
    };
  }
}
