import { StaticConfigStore } from '@sluice/config';
import { DEFAULT_CACHE_CONTROLS, type Prompt } from '@sluice/kernel';
import { classify } from '../../libs/semantic-cache/src/classification.js';
import { judge } from '../../libs/semantic-cache/src/decision/decision.js';
import { dot, lexicalVector } from '../../libs/semantic-cache/src/embedders/lexical-vector.js';
import { auc, type Pair } from './data.js';

/**
 * How a pair is decided: by the cosine alone; with guards; by the verifier behind them; and as the gateway does,
 * where actions and questions about now never reach the semantic tier at all.
 */
const STEPS = ['cosine', 'guards', 'verifier', 'classes'] as const;
const THRESHOLDS = [0.7, 0.85, 0.95] as const;

export interface Rates {
  readonly suite: string;
  readonly capability: string;
  readonly embedder: 'lexical' | 'text-embedding-3-small';
  readonly step: (typeof STEPS)[number];
  readonly threshold: number;
  readonly same: number;
  readonly different: number;
  /** Share of the pairs with one answer that hit; of those with two that hit. */
  readonly trueHits: number | undefined;
  readonly falseHits: number | undefined;
}

interface Scored extends Record<(typeof STEPS)[number], number> {
  readonly y: number;
  readonly capability: string;
}

const { cache } = new StaticConfigStore().current.sluice;

function isSemantic(text: string): boolean {
  const prompt: Prompt = { messages: [{ role: 'user', parts: [{ type: 'text', text }] }] };
  return classify(prompt, DEFAULT_CACHE_CONTROLS, cache).reach === 'semantic';
}

function scored(pair: Pair, published: boolean): Scored {
  const cosine = published
    ? (pair.cos_te3small ?? 0)
    : dot(lexicalVector(pair.a), lexicalVector(pair.b));
  const { score, vetoes } = judge(pair.a, pair.b, cosine, published ? 'dense' : 'lexical');
  const allowed = vetoes.length === 0;
  return {
    y: pair.y,
    capability: pair.cap ?? pair.cat ?? 'paraphrase',
    cosine,
    guards: allowed ? cosine : -1,
    verifier: allowed ? score : -1,
    classes: allowed && isSemantic(pair.a) && isSemantic(pair.b) ? score : -1,
  };
}

/** One row for each capability (and `all`), step and threshold. */
export function rates(suite: string, pairs: readonly Pair[], published: boolean): Rates[] {
  const all = pairs.map((pair) => scored(pair, published));
  const groups = new Map<string, readonly Scored[]>([
    ['all', all],
    ...Map.groupBy(all, (row) => row.capability),
  ]);
  const embedder = published ? 'text-embedding-3-small' : 'lexical';
  return [...groups].flatMap(([capability, rows]) =>
    STEPS.flatMap((step) =>
      THRESHOLDS.map((threshold): Rates => {
        const share = (y: number) => {
          const of = rows.filter((row) => row.y === y);
          const hits = of.filter((row) => row[step] >= threshold).length;
          return of.length === 0 ? undefined : hits / of.length;
        };
        const same = rows.filter((row) => row.y === 1).length;
        return {
          suite,
          capability,
          embedder,
          step,
          threshold,
          same,
          different: rows.length - same,
          trueHits: share(1),
          falseHits: share(0),
        };
      }),
    ),
  );
}

/** Area under the ROC curve for each step; undefined where a suite has pairs of one kind only. */
export function areas(pairs: readonly Pair[], published: boolean) {
  const all = pairs.map((pair) => scored(pair, published));
  const entries = STEPS.map((step) => {
    const area = auc(all.map((row) => ({ score: row[step], y: row.y })));
    return [step, Number.isFinite(area) ? area : undefined] as const;
  });
  return Object.fromEntries(entries);
}
