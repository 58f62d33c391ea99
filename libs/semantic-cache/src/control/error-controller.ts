import { stratifiedBounds, type Bounds, type Stratum } from './beta-bound.js';

export interface ControllerSettings {
  /** Where the threshold stands before there is evidence. */
  readonly start: number;
  /** Highest accepted share of wrong answers among semantic hits. */
  readonly target: number;
  /** Share of hits that are re-asked in the long run. */
  readonly shadowRate: number;
}

interface Bin {
  traffic: number;
  checked: number;
  wrong: number;
}

/** What survives a restart. */
export interface ControllerState {
  readonly version: 1;
  readonly bins: readonly Stratum[];
  readonly verbatim: Stratum;
}

export interface ControllerReport extends Bounds {
  readonly checks: number;
  /** Scores below this miss; above 1 means closed but for verbatim repeats. */
  readonly threshold: number;
  readonly state: 'learning' | 'open' | 'closed';
}

const LOWEST = 0.5;
const WIDTH = 0.025;
const COUNT = Math.round((1 - LOWEST) / WIDTH);
/** With fewer checks the configured threshold stands. */
const ENOUGH = 30;
/** When a bin has seen this much, everything is halved: traffic changes, old labels fade. */
const FADE_AT = 4000;
export const CLOSED = 1.01;

/**
 * Keeps the share of wrong answers *among hits* under a target. Scores fall into bins; every miss with a candidate
 * labels its bin for nothing (the fresh answer against the candidate's), and a share of the hits is re-asked.
 * The lowest threshold whose upper bound on wrong hits stays under the target is opened; where none does, the tier
 * closes. Verbatim repeats are counted apart: they need no evidence, and must not vouch for others.
 */
export class ErrorController {
  readonly #bins: Bin[] = Array.from({ length: COUNT }, () => ({
    traffic: 0,
    checked: 0,
    wrong: 0,
  }));
  #verbatim: Bin = { traffic: 0, checked: 0, wrong: 0 };
  #threshold: number | undefined;

  constructor(private settings: ControllerSettings) {}

  configure(settings: ControllerSettings): void {
    this.settings = settings;
    this.#threshold = undefined;
  }

  /** A candidate with this score was found, served or not. */
  saw(score: number, verbatim: boolean): void {
    if (verbatim) this.#verbatim.traffic++;
    else {
      const bin = this.#bin(score);
      if (bin !== undefined) bin.traffic++;
    }
    this.#threshold = undefined;
  }

  /** A fresh answer was compared with the candidate's. */
  label(score: number, verbatim: boolean, wrong: boolean): void {
    const bin = verbatim ? this.#verbatim : this.#bin(score);
    if (bin === undefined) return;
    bin.checked++;
    if (wrong) bin.wrong++;
    if (bin.checked > FADE_AT) this.#fade();
    this.#threshold = undefined;
  }

  /** Scores from here on are served. */
  get threshold(): number {
    this.#threshold ??= this.#choose();
    return this.#threshold;
  }

  /** The chance with which a hit is re-asked: high while young, the configured share in the end. */
  shadowChance(verbatim: boolean): number {
    const { shadowRate } = this.settings;
    if (shadowRate === 0 || verbatim) return shadowRate;
    const checks = this.#strata(this.threshold).reduce((sum, bin) => sum + bin.checked, 0);
    return Math.max(shadowRate, Math.min(0.5, 15 / (checks + 1)));
  }

  report(): ControllerReport {
    const served = this.#strata(this.threshold);
    const checks = served.reduce((sum, bin) => sum + bin.checked, 0);
    const state = this.threshold > 1 ? 'closed' : checks < ENOUGH ? 'learning' : 'open';
    return {
      ...stratifiedBounds([...served, this.#verbatim]),
      checks: checks + this.#verbatim.checked,
      threshold: this.threshold,
      state,
    };
  }

  save(): ControllerState {
    return {
      version: 1,
      bins: this.#bins.map((bin) => ({ ...bin })),
      verbatim: { ...this.#verbatim },
    };
  }

  /** Takes back what {@link save} gave; anything else is ignored. */
  restore(state: unknown): void {
    const saved = state as Partial<ControllerState> | null | undefined;
    if (saved?.version !== 1 || saved.bins?.length !== COUNT) return;
    saved.bins.forEach((bin, i) => {
      this.#bins[i] = { ...bin };
    });
    if (saved.verbatim !== undefined) this.#verbatim = { ...saved.verbatim };
    this.#threshold = undefined;
  }

  #bin(score: number): Bin | undefined {
    if (!(score >= LOWEST)) return undefined;
    return this.#bins[Math.min(COUNT - 1, Math.floor((score - LOWEST) / WIDTH + 1e-9))];
  }

  #strata(threshold: number): readonly Bin[] {
    return this.#bins.filter((_, i) => LOWEST + i * WIDTH >= threshold - 1e-9);
  }

  #evidence(): number {
    return this.#strata(this.settings.start).reduce((sum, bin) => sum + bin.checked, 0);
  }

  #choose(): number {
    const { start, target } = this.settings;
    for (let i = 0; i < COUNT; i++) {
      const from = LOWEST + i * WIDTH;
      const strata = this.#strata(from);
      const checked = strata.reduce((sum, bin) => sum + bin.checked, 0);
      // The lowest bin must carry its own proof: the good ones above would hide it.
      if (checked < ENOUGH || (this.#bins[i]?.checked ?? 0) < 10) continue;
      const lowest = this.#bins[i];
      if (lowest !== undefined && stratifiedBounds([lowest], 0.5).mean > 3 * target) continue;
      if (stratifiedBounds(strata).upper <= target) return from;
    }
    return this.#evidence() < ENOUGH && !this.#alarming() ? start : CLOSED;
  }

  /** Wrong answers in the first checks already: more than one in three of the target's chance. */
  #alarming(): boolean {
    const wrong = this.#strata(this.settings.start).reduce((sum, bin) => sum + bin.wrong, 0);
    return wrong >= 2;
  }

  #fade(): void {
    for (const bin of [...this.#bins, this.#verbatim]) {
      bin.traffic /= 2;
      bin.checked /= 2;
      bin.wrong /= 2;
    }
  }
}
