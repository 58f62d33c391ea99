import { setImmediate } from 'node:timers/promises';
import type { Clock } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';
import { AnswerFacts, compareFacts } from '../control/answer-comparison.js';
import { AUDIBLE, corroborate, HOPELESS } from '../decision/corroboration.js';
import { judge } from '../decision/decision.js';
import { LEAST_COSINE, type CosineKind } from '../decision/pair-verifier.js';
import { answerFromText, type CachedAnswer } from '../exact/cached-answer.js';
import type { ValueCodec } from '../exact/value-codec.js';
import type { VectorMatch } from '../stores/vector-store.js';
import { contextGate, type Question } from './question.js';

/** A stored answer that may fit. */
export interface Candidate {
  readonly id: string;
  readonly answer: CachedAnswer;
  readonly score: number;
  readonly verbatim: boolean;
  /** No neighbour's answer could be compared with this one: nothing but the pair of questions speaks for it. */
  readonly alone: boolean;
}

export interface SemanticFinding {
  /** The best candidate that no guard refuses, served or not. */
  readonly candidate: Candidate | undefined;
  /** Why nearer ones were refused. */
  readonly vetoes: readonly string[];
}

export interface NeighbourReaderParts {
  readonly codec: ValueCodec;
  readonly clock: Clock;
  readonly onFault: (error: unknown) => void;
}

/** A neighbour that no guard refuses. */
interface Neighbour {
  readonly match: VectorMatch;
  readonly score: number;
  readonly verbatim: boolean;
}

/** A store that finds texts more alike than this does not know what a cosine is. */
const MOST_ALIKE = 1.001;
/** A refused near match is worth telling about only when it was near. */
const WORTH_TELLING = 0.6;
/** The beginning tells answers apart. */
const COMPARED_CHARS = 400;
const KNOWN_FACTS = 1000;
/** Longest stretch of comparing before others have their turn on the event loop. */
const STRETCH_MS = 0.5;

/** Reads what a search found near a question: each pair of texts, then the answers of those that pass. */
export class NeighbourReader {
  readonly #facts = new LRUCache<string, AnswerFacts>({ max: KNOWN_FACTS });

  constructor(private readonly parts: NeighbourReaderParts) {}

  async read(
    question: Question,
    matches: readonly VectorMatch[],
    kind: CosineKind,
  ): Promise<SemanticFinding> {
    const told = new Set<string>();
    const neighbours: Neighbour[] = [];
    for (const match of matches) {
      if (!(match.similarity >= LEAST_COSINE[kind])) continue;
      if (match.similarity > MOST_ALIKE) {
        this.parts.onFault(new RangeError(`a cosine of ${match.similarity}`));
        continue;
      }
      if (match.expiresAt <= this.parts.clock.now()) continue;
      // Questions are short: nothing of them is packed, and nothing is waited for.
      const readable = this.#readable(match.id, match.text);
      const text = typeof readable === 'object' ? await readable : readable;
      if (text === undefined) continue;
      const { vetoes, score, verbatim } = judge(question.text, text, match.similarity, kind);
      const lacksContext = match.context < 1 && match.context < contextGate(question.text);
      if (vetoes.length === 0 && !lacksContext) {
        neighbours.push({ match, score, verbatim });
        // Served whatever the others say.
        if (verbatim) break;
      } else if (match.similarity >= WORTH_TELLING) {
        for (const reason of vetoes) told.add(reason);
        if (lacksContext) told.add('context');
      }
    }
    neighbours.sort((p, q) => q.score - p.score);
    return { candidate: await this.#chosen(neighbours), vetoes: [...told] };
  }

  /** The neighbour whose answer is to be served, if any; what the others answer speaks for or against it. */
  async #chosen(byScore: readonly Neighbour[]): Promise<Candidate | undefined> {
    const [nearest] = byScore;
    if (nearest === undefined) return undefined;
    const audible = byScore.filter(({ score }) => score >= AUDIBLE);
    if (nearest.verbatim || nearest.score < HOPELESS || audible.length === 1) {
      return this.#candidate(nearest, nearest.score, true);
    }
    const heard = await this.#hear(audible);
    if (heard.length === 0) return undefined;
    const { at, score, alone } = corroborate(
      heard.map(({ neighbour }) => neighbour.score),
      (one, other) => {
        const [a, b] = [heard[one]?.facts, heard[other]?.facts];
        return a === undefined || b === undefined ? 'unknown' : compareFacts(a, b);
      },
    );
    const chosen = heard[at]?.neighbour;
    return chosen === undefined ? undefined : this.#candidate(chosen, score, alone);
  }

  /** What each answers; a neighbour whose answer cannot be read has none. */
  async #hear(
    neighbours: readonly Neighbour[],
  ): Promise<{ readonly neighbour: Neighbour; readonly facts: AnswerFacts }[]> {
    const heard: { readonly neighbour: Neighbour; readonly facts: AnswerFacts }[] = [];
    let since = performance.now();
    for (const neighbour of neighbours) {
      const facts = await this.#factsOf(neighbour.match);
      if (facts !== undefined) heard.push({ neighbour, facts });
      if (performance.now() - since < STRETCH_MS) continue;
      await setImmediate();
      since = performance.now();
    }
    return heard;
  }

  async #factsOf(match: VectorMatch): Promise<AnswerFacts | undefined> {
    const key = `${match.id}:${match.storedAt}`;
    let facts = this.#facts.get(key);
    if (facts === undefined) {
      const text = await this.#readable(match.id, match.answer);
      if (text === undefined) return undefined;
      facts = new AnswerFacts(answerFromText(text).message, COMPARED_CHARS);
      this.#facts.set(key, facts);
    }
    return facts;
  }

  async #candidate(
    { match, verbatim }: Neighbour,
    score: number,
    alone: boolean,
  ): Promise<Candidate | undefined> {
    const text = await this.#readable(match.id, match.answer);
    if (text === undefined) return undefined;
    return { id: match.id, answer: answerFromText(text), score, verbatim, alone };
  }

  /** Undefined for what was sealed under another key, or torn: the neighbours can still be read. */
  #readable(id: string, sealed: string): string | undefined | Promise<string | undefined> {
    const lost = (error: unknown): string | undefined => {
      this.parts.onFault(error);
      return undefined;
    };
    try {
      const read = this.parts.codec.decodeSoon(id, sealed);
      return typeof read === 'string' ? read : read.catch(lost);
    } catch (error) {
      return lost(error);
    }
  }
}
