import { confidence, logEvidence, meanOf, showsLess } from './betting-bound.js';
import type { Bet, Bounds, Guess, Stratum } from './betting-bound.js';

export interface ControllerSettings {
  /** Where the threshold stands on the loan of a new deployment. */
  readonly start: number;
  /** Highest accepted share of wrong answers among semantic hits; 1 asks for no bound, and `start` stands. */
  readonly target: number;
  /** Share of hits that are re-asked in the long run. */
  readonly shadowRate: number;
}

interface Bin {
  traffic: number;
  checked: number;
  wrong: number;
}

/** What is known of a candidate when it is found. */
export interface Sighting {
  readonly score: number;
  readonly verbatim: boolean;
  /** No other stored answer could be compared with its own: the score is of the two questions alone. */
  readonly alone: boolean;
}

/** What survives a restart. */
export interface ControllerState {
  readonly version: 2;
  readonly bins: readonly Stratum[];
  /** Of the hits on loan; absent in what older versions saved. */
  readonly lent?: Omit<Stratum, 'traffic'>;
  readonly verbatim: Stratum;
  readonly proven: readonly boolean[];
  readonly loan: boolean;
}

export interface ControllerReport extends Bounds {
  readonly checks: number;
  /** Scores below this miss; above 1 means closed but for verbatim repeats. */
  readonly threshold: number;
  readonly state: 'learning' | 'open' | 'closed';
}

/** Where the bins begin: narrow where thresholds matter. Lower scores are no candidates. */
const EDGES: readonly number[] = [
  0.5, 0.6, 0.7, 0.78, 0.84, 0.88, 0.91, 0.935, 0.95, 0.965, 0.98,
] as const;
const LOWEST = EDGES[0] ?? 0.5;
/** A score of a bin's edge is in the bin, whatever rounding made of it. */
const ROUNDING = 1e-9;
/** The chance that a threshold is ever opened whose hits are wrong too often. */
const ALPHA = 0.05;
/** Under a lower target the committed calibration proves nothing: then a new deployment starts closed. */
export const CALIBRATED_TARGET = 0.02;
/** Where the calibration was made. */
const CALIBRATED_START = 0.95;
/** There, candidates alone keep this target; under a lower one they keep theirs from {@link ALONE} on. */
const ALONE_TARGET = 0.05;
const ALONE = 0.965;
/** Wrong answers beyond what the target allows, after which the loan is called. */
const OVERDRAFT = 2;
/** The lowest bin of an open range must have shown so much of itself. */
const ENOUGH = 10;
/** When a bin has seen this much, everything is halved: traffic changes, old labels fade. */
const FADE_AT = 4000;
export const CLOSED = 1.01;

/**
 * Keeps the share of wrong answers *among hits* under a target. Scores fall into bins; every miss with a candidate
 * labels its bin for nothing (the fresh answer against the candidate's), and a share of the hits is re-asked.
 *
 * A threshold opens when a test by betting refutes that the hits above it are wrong in `target` of the cases or more;
 * {@link logEvidence} stays valid however often it is read. Thresholds are tested one after the other, from the start
 * downwards, each only after the one above it, which costs nothing; those above the start share half of the error
 * instead. What is open closes when its labels show the target or more.
 *
 * A new deployment has no labels. It starts at `start` on a loan: the verifier's calibration, committed with it, says
 * that such scores keep the target; those of candidates alone do so from a higher one on. The loan ends with the first proof,
 * and is called as soon as the checked hits on it hold more wrong answers than the target allows by {@link OVERDRAFT}: then
 * only proof opens. Under a lower start than the calibration's, the operator vouches.
 *
 * Verbatim repeats are counted apart: they need no evidence, and must not vouch for others.
 */
export class ErrorController {
  #bins: Bin[] = EDGES.map(() => ({ traffic: 0, checked: 0, wrong: 0 }));
  #verbatim: Bin = { traffic: 0, checked: 0, wrong: 0 };
  #proven: boolean[] = EDGES.map(() => false);
  #loan: boolean;
  #lent = { checked: 0, wrong: 0 };
  #threshold: number;

  constructor(private settings: ControllerSettings) {
    this.#loan = settings.target >= CALIBRATED_TARGET;
    this.#threshold = this.#choose();
  }

  /** Labels stay; what they prove is asked anew. */
  configure(settings: ControllerSettings): void {
    if (settings.target < CALIBRATED_TARGET) this.#loan = false;
    if (settings.target !== this.settings.target) this.#proven = EDGES.map(() => false);
    this.settings = settings;
    this.#threshold = this.#choose();
  }

  /** A candidate was found, served or not. */
  saw({ score, verbatim }: Sighting): void {
    const bin = verbatim ? this.#verbatim : this.#bin(score);
    if (bin !== undefined) bin.traffic++;
  }

  /** A fresh answer was compared with the candidate's. About 0.2 ms: not for the request path. */
  label(sighting: Sighting, wrong: boolean): void {
    const { score, verbatim } = sighting;
    const bin = verbatim ? this.#verbatim : this.#bin(score);
    if (bin === undefined) return;
    bin.checked++;
    if (wrong) bin.wrong++;
    if (this.#loan && !verbatim && score >= this.thresholdFor(sighting) - ROUNDING) {
      this.#lent.checked++;
      if (wrong) this.#lent.wrong++;
    }
    if (bin.checked > FADE_AT) this.#fade();
    this.#threshold = this.#choose();
  }

  /** Scores from here on are served, of candidates whose neighbours have a say. */
  get threshold(): number {
    return this.#threshold;
  }

  /** The score from which on this candidate is served. */
  thresholdFor({ alone }: Pick<Sighting, 'alone'>): number {
    const { start, target } = this.settings;
    const strict = this.#loan && target < ALONE_TARGET && start >= CALIBRATED_START;
    return alone && strict ? Math.max(ALONE, this.#threshold) : this.#threshold;
  }

  /**
   * The chance with which a hit is re-asked: half of them until the target could be proven, then ever fewer, the
   * configured share in the end.
   */
  shadowChance(verbatim: boolean): number {
    const { shadowRate, target } = this.settings;
    if (shadowRate === 0 || verbatim || target >= 1) return shadowRate;
    const checks = this.#served().reduce((sum, bin) => sum + bin.checked, 0);
    return Math.max(shadowRate, Math.min(0.5, 2 / target / (checks + 1)));
  }

  /** The share of wrong answers among hits as {@link report} estimates it, without its bounds, which take 0.2 ms. */
  get mean(): number {
    return meanOf([...this.#served(), this.#verbatim]);
  }

  report(): ControllerReport {
    const served = this.#served();
    const checks = served.reduce((sum, bin) => sum + bin.checked, 0);
    const certain = { ...this.#verbatim, guess: this.#guess(1) };
    return {
      ...confidence([...this.#bets(this.#firstServed()), certain], ALPHA),
      checks: checks + this.#verbatim.checked,
      threshold: this.threshold,
      state: this.threshold > 1 ? 'closed' : this.#loan ? 'learning' : 'open',
    };
  }

  save(): ControllerState {
    return {
      version: 2,
      bins: this.#bins.map((bin) => ({ ...bin })),
      verbatim: { ...this.#verbatim },
      proven: [...this.#proven],
      loan: this.#loan,
      lent: { ...this.#lent },
    };
  }

  /** Takes back what {@link save} gave; anything else is ignored. */
  restore(state: unknown): void {
    const saved = state as Partial<ControllerState> | null | undefined;
    if (saved?.version !== 2 || saved.verbatim === undefined) return;
    if (saved.bins?.length !== EDGES.length || saved.proven?.length !== EDGES.length) return;
    this.#bins = saved.bins.map((bin) => ({ ...bin }));
    this.#verbatim = { ...saved.verbatim };
    this.#proven = [...saved.proven];
    this.#loan = saved.loan === true && this.settings.target >= CALIBRATED_TARGET;
    this.#lent = { checked: 0, wrong: 0, ...saved.lent };
    this.#threshold = this.#choose();
  }

  #bin(score: number): Bin | undefined {
    return this.#bins[EDGES.findLastIndex((edge) => score >= edge - ROUNDING)];
  }

  #firstServed(): number {
    const at = EDGES.findIndex((_, i) => (EDGES[i + 1] ?? 1) > this.threshold + ROUNDING);
    return this.threshold > 1 || at < 0 ? EDGES.length : at;
  }

  #served(): readonly Bin[] {
    return this.#bins.slice(this.#firstServed());
  }

  /** The bin that holds the start: what is proven of it holds for the start. */
  get #anchor(): number {
    return Math.max(
      0,
      EDGES.findLastIndex((edge) => edge <= this.settings.start + ROUNDING),
    );
  }

  #choose(): number {
    const { start, target } = this.settings;
    if (target >= 1) return start;
    const lowest = this.#lowestProven();
    if (lowest !== undefined && lowest <= this.#anchor) this.#loan = false;
    if (this.#loan && this.#overdrawn()) this.#loan = false;
    if (this.#loan) return Math.max(LOWEST, start);
    return lowest === undefined ? CLOSED : (EDGES[lowest] ?? CLOSED);
  }

  #overdrawn(): boolean {
    const { checked, wrong } = this.#lent;
    return wrong > OVERDRAFT + this.settings.target * checked;
  }

  #lowestProven(): number | undefined {
    const anchor = this.#anchor;
    if (this.#proves(anchor, ALPHA / 2)) {
      let lowest = anchor;
      while (lowest > 0 && this.#carriesItself(lowest - 1) && this.#proves(lowest - 1, ALPHA / 2)) {
        lowest--;
      }
      return lowest;
    }
    const above = EDGES.length - 1 - anchor;
    for (let at = anchor + 1; at < EDGES.length; at++) {
      if (this.#proves(at, ALPHA / 2 / above)) return at;
    }
    return undefined;
  }

  /** Once proven, always proven, but for labels that show the contrary: then traffic has changed. */
  #proves(from: number, alpha: number): boolean {
    const { target } = this.settings;
    const bets = this.#bets(from);
    const proven =
      showsLess(bets, target) &&
      (this.#proven[from] === true || logEvidence(bets, target) >= Math.log(1 / alpha));
    this.#proven[from] = proven;
    return proven;
  }

  /** The good bins above must not hide a bad one below them. */
  #carriesItself(at: number): boolean {
    const { checked, wrong } = this.#bins[at] ?? { checked: 0, wrong: 0 };
    return checked >= ENOUGH && (wrong + 0.5) / (checked + 1) <= 3 * this.settings.target;
  }

  #bets(from: number): Bet[] {
    return this.#bins.slice(from).map((bin, i) => {
      const edge = EDGES[from + i] ?? 1;
      return { ...bin, guess: this.#guess((edge + (EDGES[from + i + 1] ?? 0.99)) / 2) };
    });
  }

  /** Calibration found a third of the doubt that a score leaves to be justified; bets on more than the target are idle. */
  #guess(score: number): Guess {
    return {
      mean: Math.min(this.settings.target / 2, (1 - score) / 3 + 0.001),
      weight: 60,
    };
  }

  #fade(): void {
    for (const bin of [...this.#bins, this.#verbatim]) {
      bin.traffic /= 2;
      bin.checked /= 2;
      bin.wrong /= 2;
    }
  }
}
