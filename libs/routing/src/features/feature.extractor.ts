import type { RoutingConfig } from '@sluice/config';
import { textOf, type Message, type Prompt } from '@sluice/kernel';
import type { PromptFeatures } from '../decisions/decision.js';
import type { UpliftEstimator } from '../estimator/uplift.estimator.js';
import { isFollowUp } from './follow-up.js';
import { hintOf, KeywordMatcher } from './keyword.matcher.js';
import { needsOf } from './needs.js';
import { securityTerm } from './security.detector.js';
import { estimatePromptTokens, estimateTokens } from './token.estimate.js';

const FOLLOWED_BACK = 6;

/** Reads a prompt once for all that the router wants to know of it. Pure and synchronous. */
export class FeatureExtractor {
  #matcher:
    { readonly keywords: RoutingConfig['keywords']; readonly match: KeywordMatcher } | undefined;

  /** @param estimator left out at the level of rules, which looks at keywords alone */
  constructor(private readonly estimator: UpliftEstimator | undefined) {}

  extract(prompt: Prompt, routing: RoutingConfig): PromptFeatures {
    const spoken = prompt.messages.filter((message) => message.role === 'user');
    const last = spoken.at(-1);
    const lastText = last === undefined ? '' : textOf(last.parts);
    const followUp = isFollowUp(lastText) && !hasAttachment(last);
    // A follow-up is about what was asked before it: that is what must be judged.
    const subject = followUp ? (substantive(spoken) ?? lastText) : lastText;
    const keyword = this.#keywords(routing).match(subject);
    const hint = keyword === undefined ? hintOf(subject) : undefined;
    return {
      promptTokens: estimatePromptTokens(prompt),
      maxTokens: prompt.maxTokens,
      lastTokens: estimateTokens(lastText),
      turns: spoken.length,
      needs: needsOf(prompt),
      security: securityTerm(subject.toLowerCase()),
      followUp,
      keyword,
      hint,
      codeLines: codeLines(subject),
      uplift: this.estimator?.estimate(subject) ?? 0,
    };
  }

  #keywords(routing: RoutingConfig): KeywordMatcher {
    if (this.#matcher?.keywords !== routing.keywords) {
      this.#matcher = { keywords: routing.keywords, match: new KeywordMatcher(routing.keywords) };
    }
    return this.#matcher.match;
  }
}

function substantive(spoken: readonly Message[]): string | undefined {
  const before = spoken.slice(-1 - FOLLOWED_BACK, -1);
  for (const message of before.toReversed()) {
    const text = textOf(message.parts);
    if (!isFollowUp(text)) return text;
  }
  return undefined;
}

function hasAttachment(message: Message | undefined): boolean {
  return message?.parts.some((part) => part.type !== 'text') ?? false;
}

/** Lines between code fences, counted without splitting the text. */
function codeLines(text: string): number {
  let lines = 0;
  let at = text.indexOf('```');
  while (at !== -1) {
    const end = text.indexOf('```', at + 3);
    const stop = end === -1 ? text.length : end;
    for (let i = text.indexOf('\n', at); i !== -1 && i < stop; i = text.indexOf('\n', i + 1))
      lines++;
    at = end === -1 ? -1 : text.indexOf('```', end + 3);
  }
  return lines;
}
