import type { EnsembleConfig } from '@sluice/config';
import type { AnswerPath, Capability, Grade, Target } from '@sluice/kernel';

/** How much of the router was at work: everything, keywords alone, or any target that is up. */
export type RoutingLevel = 'full' | 'rules' | 'any';

/** What the router looked at. Numbers and words of its own: never the prompt's text. */
export interface PromptFeatures {
  /** Estimated tokens of the whole prompt. */
  readonly promptTokens: number;
  /** The caller's own bound on the answer, when there is one. */
  readonly maxTokens: number | undefined;
  /** Estimated tokens of the last thing the user said. */
  readonly lastTokens: number;
  readonly turns: number;
  readonly needs: readonly Capability[];
  /** The security term that was met. */
  readonly security: string | undefined;
  readonly followUp: boolean;
  /** The operator's keyword that was met, with its grade. */
  readonly keyword: { readonly word: string; readonly grade: Grade } | undefined;
  /** What the built-in hints say when no keyword was met. */
  readonly hint: Grade | undefined;
  readonly codeLines: number;
  /** Estimated probability that a strong model is right where a weak one is wrong. */
  readonly uplift: number;
}

/** One model's way through a decision. */
export interface CandidateReport {
  readonly model: string;
  readonly scores?: Readonly<Record<string, number>>;
  readonly total?: number;
  readonly expectedMicroUsd?: number;
  /** Why it was not the first choice. */
  readonly lost?: string;
}

export interface CascadePlan {
  readonly cheap: readonly Target[];
  readonly strong: readonly Target[];
}

/** Where a call goes and why. */
export interface RouteDecision {
  readonly id: string;
  readonly kind: 'single' | 'ensemble';
  /** Epoch ms. */
  readonly at: number;
  readonly requested: string;
  readonly chosen: string;
  readonly grade: Grade | undefined;
  readonly reason: string;
  readonly level: RoutingLevel;
  readonly path: AnswerPath;
  /** In the order in which they are to be tried; a retry is a repeated target. Empty for ensembles. */
  readonly attempts: readonly Target[];
  readonly ensemble?: EnsembleConfig;
  /** Ask `cheap` first and inspect, then `strong`; `attempts` holds the strong side alone. */
  readonly cascade?: CascadePlan;
  readonly experiment?: { readonly id: string; readonly arm: string };
  /** Undefined where nothing was read: named models and ensembles. */
  readonly features: PromptFeatures | undefined;
  readonly candidates: readonly CandidateReport[];
  /** True when the ranking came from the decision cache. */
  readonly cached: boolean;
  /** Milliseconds that deciding took. */
  readonly tookMs: number;
}
