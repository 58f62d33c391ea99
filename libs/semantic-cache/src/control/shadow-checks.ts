import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { textOf, type ChatCall, type ChatMessage } from '@sluice/kernel';
import { DeferredWork } from '@sluice/observability';
import { CacheBindings } from '../cache-bindings.js';
import { CacheMetrics } from '../cache-metrics.js';
import type { Candidate } from '../semantic/semantic-tier.js';
import { answerText, compareAnswers, type Comparison } from './answer-comparison.js';
import { Chance } from './chance.js';
import { CLOSED, ErrorController } from './error-controller.js';

/** So many checks may wait for upstreams at once; beyond, hits go unchecked. */
const MAX_RUNNING = 8;

/** Finds out in the background how often the semantic tier is wrong, and sets its threshold by that. */
@Injectable()
export class ShadowChecks {
  readonly #controller: ErrorController;
  #settings = '';
  #running = 0;

  constructor(
    private readonly config: ConfigStore,
    private readonly bindings: CacheBindings,
    private readonly deferred: DeferredWork,
    private readonly metrics: CacheMetrics,
    private readonly chance: Chance,
  ) {
    this.#controller = new ErrorController(this.#wanted());
  }

  get controller(): ErrorController {
    const wanted = this.#wanted();
    const text = JSON.stringify(wanted);
    if (text !== this.#settings) {
      this.#settings = text;
      this.#controller.configure(wanted);
    }
    return this.#controller;
  }

  /** Whether the candidate may be served. The caller's own threshold may only raise what is asked. */
  admits(candidate: Candidate, asked: number | undefined): boolean {
    const configured = this.config.current.sluice.cache.semantic.threshold;
    if (candidate.verbatim) return candidate.score >= Math.max(configured, asked ?? 0);
    const threshold = this.controller.thresholdFor(candidate);
    return threshold < CLOSED && candidate.score >= Math.max(threshold, asked ?? 0);
  }

  /** A candidate was served: perhaps ask anew and compare. */
  served(call: ChatCall, candidate: Candidate): void {
    this.controller.saw(candidate);
    const { fresh } = this.bindings;
    if (fresh === undefined || this.#running >= MAX_RUNNING) return;
    if (this.chance.next() >= this.controller.shadowChance(candidate.verbatim)) return;
    this.#running++;
    const started = this.deferred.run('cache shadow check', async () => {
      try {
        await this.#compare(call, candidate, await fresh.ask(call));
      } finally {
        this.#running--;
      }
    });
    if (!started) this.#running--;
  }

  /** A candidate was found and not served, and this is the answer the caller got instead: a label for nothing. */
  missed(call: ChatCall, candidate: Candidate, answer: ChatMessage): void {
    this.controller.saw(candidate);
    this.deferred.run('cache label', () => this.#compare(call, candidate, answer));
  }

  async #compare(call: ChatCall, candidate: Candidate, fresh: ChatMessage): Promise<void> {
    let result = compareAnswers(candidate.answer.message, fresh);
    if (result === 'unknown') result = await this.#judged(call, candidate, fresh);
    if (result !== 'unknown') {
      this.controller.label(candidate, result === 'different');
    }
    this.metrics.check(result, this.controller.mean);
  }

  async #judged(call: ChatCall, candidate: Candidate, fresh: ChatMessage): Promise<Comparison> {
    const model = this.config.current.sluice.cache.semantic.judge;
    const port = this.bindings.fresh;
    if (model === undefined || port === undefined) return 'unknown';
    const question = call.prompt.messages.findLast((m) => m.role === 'user');
    const verdict = await port.complete(
      model,
      'Two answers to the same question follow. Do both say the same in every fact that matters? ' +
        'Answer with the single word SAME or DIFFERENT.\n\n' +
        `Question:\n${textOf(question?.parts ?? []).slice(0, 4000)}\n\n` +
        `First answer:\n${answerText(candidate.answer.message)}\n\nSecond answer:\n${answerText(fresh)}`,
    );
    const word = /\b(SAME|DIFFERENT)\b/.exec(answerText(verdict).toUpperCase())?.[1];
    return word === 'SAME' ? 'same' : word === 'DIFFERENT' ? 'different' : 'unknown';
  }

  #wanted(): { start: number; target: number; shadowRate: number } {
    const { threshold, targetWrongHits, shadowRate } = this.config.current.sluice.cache.semantic;
    return { start: threshold, target: targetWrongHits, shadowRate };
  }
}
