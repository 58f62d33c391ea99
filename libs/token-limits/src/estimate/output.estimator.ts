import { bounded } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';

/** Half-octave bins up to about a million tokens. */
const BINS = 41;
const DECAY_AT = 256;
/** Before anything is known. */
const UNKNOWN = 1024;
const ENOUGH = 8;
/** Answers that the mean remembers. */
const MEAN_OVER = 64;

class Outputs {
  readonly #bins = new Uint32Array(BINS);
  #total = 0;
  #seen = 0;
  #mean = 0;

  get mean(): number {
    return this.#mean;
  }

  get total(): number {
    return this.#total;
  }

  add(tokens: number): void {
    this.#seen = Math.min(MEAN_OVER, this.#seen + 1);
    this.#mean += (tokens - this.#mean) / this.#seen;
    const bin = Math.min(BINS - 1, Math.ceil(2 * Math.log2(Math.max(1, tokens))));
    this.#bins[bin] = (this.#bins[bin] ?? 0) + 1;
    if (++this.#total < DECAY_AT) return;
    // Halving keeps the recent past heavier than the distant one.
    this.#total = 0;
    for (let i = 0; i < BINS; i++) {
      this.#bins[i] = (this.#bins[i] ?? 0) >> 1;
      this.#total += this.#bins[i] ?? 0;
    }
  }

  /** The upper edge of the bin that holds the quantile. */
  quantile(q: number): number {
    let left = Math.ceil(this.#total * q);
    for (let i = 0; i < BINS; i++) {
      left -= this.#bins[i] ?? 0;
      if (left <= 0) return Math.ceil(2 ** (i / 2));
    }
    return 2 ** 20;
  }
}

export interface OutputForecast {
  /** 19 of 20 recent answers stayed below. */
  readonly likely: number;
  /** The mean of recent answers: for guessing a bill, where {@link likely} would always guess too much. */
  readonly typical: number;
}

function forecastOf(many: Outputs | undefined, some: Outputs | undefined): OutputForecast {
  return {
    likely: many === undefined ? UNKNOWN : many.quantile(0.95),
    typical: some === undefined ? UNKNOWN : Math.ceil(some.mean),
  };
}

/** How long answers tend to be, by model and by caller, from their recent past. Bounded in memory. */
export class OutputEstimator {
  readonly #models = new LRUCache<string, Outputs>({ max: 2000 });
  readonly #callers = new LRUCache<string, Outputs>(bounded(20_000));

  learn(model: string, caller: string, tokens: number): void {
    for (const [cache, key] of [
      [this.#models, model],
      [this.#callers, `${caller} ${model}`],
    ] as const) {
      let outputs = cache.get(key);
      if (outputs === undefined) cache.set(key, (outputs = new Outputs()));
      outputs.add(tokens);
    }
  }

  /** How long the next answer may become, and how long it usually is; guesses while little is known. */
  forecast(model: string, caller: string): OutputForecast {
    const own = this.#callers.get(`${caller} ${model}`);
    if (own !== undefined && own.total >= ENOUGH) return forecastOf(own, own);
    const all = this.#models.get(model);
    return forecastOf(all !== undefined && all.total >= ENOUGH ? all : undefined, own ?? all);
  }
}
