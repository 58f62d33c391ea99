import { ErrorController } from '../../libs/semantic-cache/src/control/error-controller.js';
import {
  AUDIBLE,
  HOPELESS,
  corroborate,
  type Agreement,
} from '../../libs/semantic-cache/src/decision/corroboration.js';
import { vetoes } from '../../libs/semantic-cache/src/decision/guards.js';
import { verify } from '../../libs/semantic-cache/src/decision/pair-verifier.js';
import { read } from '../../libs/semantic-cache/src/decision/reading.js';
import { dot, lexicalVector } from '../../libs/semantic-cache/src/embedders/lexical-vector.js';
import { seeded, shuffled, type Utterance } from './data.js';

/** As the semantic tier does: so many neighbours are read, none below this similarity. */
const NEIGHBOURS = 8;
const WORTH_READING = 0.3;
/** Nearest texts kept for each text; in a seed's order most of them come later and are not stored yet. */
const KEPT = 256;

interface Judged {
  readonly at: number;
  readonly cosine: number;
  readonly score: number;
  readonly vetoed: boolean;
}

/** A look-up's neighbours as the tier sees them: those with a voice, and what their answers say. */
export interface Lookup {
  readonly scores: readonly number[];
  readonly at: number;
  readonly agreement: (one: number, other: number) => Agreement;
  readonly wrong: boolean;
}

/** The best that a look-up found; its score is the neighbourhood's where others had a voice. */
interface Best extends Judged {
  readonly lookup: Lookup | undefined;
  /** No neighbour's answer could be compared with it. */
  readonly alone: boolean;
}

/**
 * `answers`: neighbours are read together, their stored answers compared. `pairs`: each on its own, as where no two
 * answers can be compared. `cosine`: the nearest, unread.
 */
type Reading = 'answers' | 'pairs' | 'cosine';

export interface Run {
  readonly requests: number;
  readonly hits: number;
  readonly wrong: number;
  /** Of the stream's second half: after learning. */
  readonly lateHits: number;
  readonly lateWrong: number;
  readonly shadowChecks: number;
  readonly threshold: number;
}

/** Traffic in which the answer to a text is a function of its intent. Neighbours are found once for all seeds. */
export class Stream {
  readonly #neighbours: readonly (readonly { readonly at: number; readonly cosine: number }[])[];
  readonly #judged = new Map<number, Judged>();
  readonly #readings;
  /** The numbers of each text: the tier never finds neighbours that say others. */
  readonly #numbers: readonly string[];

  constructor(private readonly items: readonly Utterance[]) {
    const vectors = items.map((item) => lexicalVector(item.text));
    this.#readings = items.map((item) => read(item.text));
    this.#numbers = this.#readings.map(({ numbers }) => [...numbers].sort().join(' '));
    this.#neighbours = vectors.map((vector, i) =>
      vectors
        .map((other, at) => ({ at, cosine: at === i ? -1 : dot(vector, other) }))
        .filter(({ cosine }) => cosine >= WORTH_READING)
        .sort((p, q) => q.cosine - p.cosine)
        .slice(0, KEPT),
    );
  }

  /** Texts in a seed's order through the controller; labels come from intents. */
  controlled(seed: number, target: number, shadowRate: number, by: Reading = 'answers'): Run {
    const controller = new ErrorController({ start: 0.95, target, shadowRate });
    const random = seeded(seed * 7919 + 1);
    let shadowChecks = 0;
    const run = this.#replay(
      seed,
      (best, wrong) => {
        const { score, alone } = best;
        const verbatim = score >= 0.99;
        const sighting = { score, verbatim, alone };
        const hit = verbatim || score >= controller.thresholdFor(sighting);
        controller.saw(sighting);
        if (!hit) controller.label(sighting, wrong);
        else if (random() < controller.shadowChance(verbatim)) {
          shadowChecks++;
          controller.label(sighting, wrong);
        }
        return hit;
      },
      by,
    );
    return { ...run, shadowChecks, threshold: controller.threshold };
  }

  /** A score against a threshold that never moves. The cosine's is what most caches do. */
  fixed(seed: number, threshold: number, by: Reading): Run {
    const run = this.#replay(
      seed,
      (best) => (by === 'cosine' ? best.cosine : best.score) >= threshold,
      by,
    );
    return { ...run, shadowChecks: 0, threshold };
  }

  /** What look-ups find while this share of the texts is stored, hit or not. */
  lookups(seed: number, share: number): Lookup[] {
    const random = seeded(seed + 77);
    const found: Lookup[] = [];
    const stored = new Uint8Array(this.items.length);
    for (const i of shuffled([...this.items.keys()], seeded(seed))) {
      const lookup = this.#best(i, stored, 'answers')?.lookup;
      if (lookup !== undefined) found.push(lookup);
      if (random() < share) stored[i] = 1;
    }
    return found;
  }

  #replay(
    seed: number,
    decide: (best: Best, wrong: boolean) => boolean,
    by: Reading,
  ): Omit<Run, 'shadowChecks' | 'threshold'> {
    const order = shuffled([...this.items.keys()], seeded(seed));
    const stored = new Uint8Array(this.items.length);
    const counts = { hits: 0, wrong: 0, lateHits: 0, lateWrong: 0 };
    order.forEach((i, turn) => {
      const best = this.#best(i, stored, by);
      const wrong = best !== undefined && !this.#sameAnswer(i, best.at);
      if (best === undefined || !decide(best, wrong)) {
        stored[i] = 1;
        return;
      }
      counts.hits++;
      if (wrong) counts.wrong++;
      if (turn * 2 < order.length) return;
      counts.lateHits++;
      if (wrong) counts.lateWrong++;
    });
    return { requests: order.length, ...counts };
  }

  #sameAnswer(i: number, at: number): boolean {
    return this.items[i]?.intent === this.items[at]?.intent;
  }

  #best(i: number, stored: Uint8Array, by: Reading): Best | undefined {
    const near: Judged[] = [];
    let seen = 0;
    for (const { at, cosine } of this.#neighbours[i] ?? []) {
      if (stored[at] !== 1) continue;
      const judged = this.#judge(i, at, cosine);
      if (by === 'cosine') return { ...judged, lookup: undefined, alone: true };
      if (this.#numbers[i] !== this.#numbers[at]) continue;
      if (++seen > NEIGHBOURS) break;
      if (!judged.vetoed) near.push(judged);
    }
    near.sort((p, q) => q.score - p.score);
    const [nearest] = near;
    if (nearest === undefined) return undefined;
    if (by === 'pairs' || nearest.score >= 0.99 || nearest.score < HOPELESS) {
      return { ...nearest, lookup: undefined, alone: true };
    }
    const audible = near.filter(({ score }) => score >= AUDIBLE);
    const scores = audible.map(({ score }) => score);
    const agreement = (one: number, other: number): Agreement =>
      this.#sameAnswer(audible[one]?.at ?? -1, audible[other]?.at ?? -1) ? 'same' : 'different';
    const { at, score, alone } = corroborate(scores, agreement);
    const chosen = audible[at] ?? nearest;
    const lookup = { scores, at, agreement, wrong: !this.#sameAnswer(i, chosen.at) };
    return { ...chosen, score, lookup, alone };
  }

  #judge(i: number, at: number, cosine: number): Judged {
    const key = i * this.items.length + at;
    let judged = this.#judged.get(key);
    if (judged === undefined) {
      const [a, b] = [this.#readings[i], this.#readings[at]];
      if (a === undefined || b === undefined) throw new RangeError(`no text ${i} or ${at}`);
      judged = {
        at,
        cosine,
        score: verify(a, b, cosine, 'lexical'),
        vetoed: a.text !== b.text && vetoes(a, b).length > 0,
      };
      this.#judged.set(key, judged);
    }
    return judged;
  }
}
