import { CORROBORATION_WEIGHTS } from './corroboration-weights.data.js';

/** Do two stored answers say the same? `unknown` counts for neither side. */
export type Agreement = 'same' | 'different' | 'unknown';

export interface Corroborated {
  /** Index of the neighbour whose answer the others speak for most. */
  readonly at: number;
  readonly score: number;
  /** Nobody spoke for or against it: the score is its pair's. */
  readonly alone: boolean;
}

/** What a neighbourhood says beside the pair itself; the order is that of the trained weights. */
export const NEIGHBOURHOOD = [
  'support',
  'supportRoot',
  'contested',
  'rival',
  'furtherDissent',
] as const;

/** Neighbours whose own score is lower have no voice: measured, they neither help nor warn. */
export const AUDIBLE = 0.4;
/** Another answer's question this near contests the candidate's. */
const RIVAL = 0.5;
/** Below, no company lifts a candidate over a threshold. */
export const HOPELESS = 0.5;
/** A pair alone cannot be surer, and verbatim repeats lie above all that is inferred. */
const SUREST_PAIR = 0.985;
const SUREST = 0.989;

/**
 * Reads the neighbourhood: other stored questions near the new one whose answers say the same as the candidate's speak
 * for it, those whose answers differ against it. One near neighbour may lie on the wrong side of a border between two
 * answers; several that agree seldom do. A neighbour that is alone, or whose answers cannot be compared, keeps its
 * pair's score.
 * @param scores of the pair verifier, of neighbours that no guard refused; not empty
 */
export function corroborate(
  scores: readonly number[],
  agreement: (one: number, other: number) => Agreement,
): Corroborated {
  const certainties = scores.map(certainty);
  let at = 0;
  let most = -Infinity;
  for (let i = 0; i < scores.length; i++) {
    let weight = 0;
    for (let k = 0; k < scores.length; k++) {
      if (k === i || agreement(i, k) === 'same') weight += certainties[k] ?? 0;
    }
    // Among those of one answer, the nearest is served.
    const better =
      weight > most + 1e-9 || (weight > most - 1e-9 && (scores[i] ?? 0) > (scores[at] ?? 0));
    if (!better) continue;
    at = i;
    most = weight;
  }
  const features = neighbourhood(scores, at, agreement);
  if (features === undefined) return { at, score: scores[at] ?? 0, alone: true };
  let odds = logOdds(scores[at] ?? 0);
  features.forEach((value, i) => (odds += value * (CORROBORATION_WEIGHTS[i] ?? 0)));
  return { at, score: Math.min(SUREST, 1 / (1 + Math.exp(-odds))), alone: false };
}

/** Of a pair's score: where the neighbourhood's say is added. */
export function logOdds(score: number): number {
  const own = Math.min(SUREST_PAIR, Math.max(0.001, score));
  return Math.log(own / (1 - own));
}

/** Undefined where nothing speaks for or against. */
export function neighbourhood(
  scores: readonly number[],
  at: number,
  agreement: (one: number, other: number) => Agreement,
): number[] | undefined {
  let support = 0;
  let dissent = 0;
  let rival = 0;
  let comparable = 0;
  scores.forEach((score, i) => {
    const says = i === at ? 'unknown' : agreement(at, i);
    if (says === 'unknown') return;
    comparable++;
    const weight = certainty(score);
    if (says === 'same') support += weight;
    else {
      dissent += weight;
      rival = Math.max(rival, weight);
    }
  });
  if (comparable === 0) return undefined;
  const beyond = Math.max(0, rival - certainty(RIVAL));
  return [support, Math.sqrt(support), beyond > 0 ? 1 : 0, beyond, dissent - rival];
}

/** Minus the log of the doubt that a score leaves, beyond what is audible: doubts multiply, so these add up. */
function certainty(score: number): number {
  return Math.max(0, Math.log(1 - AUDIBLE) - Math.log(1 - Math.min(SUREST_PAIR, score)));
}
