import { ErrorController } from '../../libs/semantic-cache/src/control/error-controller.js';
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

  constructor(private readonly items: readonly Utterance[]) {
    const vectors = items.map((item) => lexicalVector(item.text));
    this.#readings = items.map((item) => read(item.text));
    this.#neighbours = vectors.map((vector, i) =>
      vectors
        .map((other, at) => ({ at, cosine: at === i ? -1 : dot(vector, other) }))
        .filter(({ cosine }) => cosine >= WORTH_READING)
        .sort((p, q) => q.cosine - p.cosine)
        .slice(0, KEPT),
    );
  }

  /** Texts in a seed's order through the controller; labels come from intents. */
  controlled(seed: number, target: number, shadowRate: number): Run {
    const controller = new ErrorController({ start: 0.95, target, shadowRate });
    const random = seeded(seed * 7919 + 1);
    let shadowChecks = 0;
    const run = this.#replay(seed, (best, wrong) => {
      const verbatim = best.score >= 0.99;
      const hit = verbatim || best.score >= controller.threshold;
      controller.saw(best.score, verbatim);
      if (!hit) controller.label(best.score, verbatim, wrong);
      else if (random() < controller.shadowChance(verbatim)) {
        shadowChecks++;
        controller.label(best.score, verbatim, wrong);
      }
      return hit;
    });
    return { ...run, shadowChecks, threshold: controller.threshold };
  }

  /** The verified score, guards before it, against a threshold that never moves. */
  fixed(seed: number, threshold: number): Run {
    const run = this.#replay(seed, (best) => best.score >= threshold);
    return { ...run, shadowChecks: 0, threshold };
  }

  /** The nearest text's cosine against a threshold, and nothing else: what most caches do. */
  cosine(seed: number, threshold: number): Run {
    const run = this.#replay(seed, (best) => best.cosine >= threshold, 'cosine');
    return { ...run, shadowChecks: 0, threshold };
  }

  #replay(
    seed: number,
    decide: (best: Judged, wrong: boolean) => boolean,
    by: 'cosine' | 'verifier' = 'verifier',
  ): Omit<Run, 'shadowChecks' | 'threshold'> {
    const order = shuffled([...this.items.keys()], seeded(seed));
    const stored = new Uint8Array(this.items.length);
    const counts = { hits: 0, wrong: 0, lateHits: 0, lateWrong: 0 };
    order.forEach((i, turn) => {
      const best = this.#best(i, stored, by);
      const wrong = best !== undefined && this.items[i]?.intent !== this.items[best.at]?.intent;
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

  #best(i: number, stored: Uint8Array, by: 'cosine' | 'verifier'): Judged | undefined {
    let best: Judged | undefined;
    let seen = 0;
    for (const { at, cosine } of this.#neighbours[i] ?? []) {
      if (stored[at] !== 1) continue;
      const judged = this.#judge(i, at, cosine);
      if (by === 'cosine') return judged;
      if (++seen > NEIGHBOURS) break;
      if (!judged.vetoed && (best === undefined || judged.score > best.score)) best = judged;
    }
    return best;
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
