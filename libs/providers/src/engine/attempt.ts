import {
  ChatReply,
  GatewayError,
  NO_USAGE,
  addUsage,
  amended,
  asGatewayError,
  usage,
  type AttemptFact,
  type Bill,
  type ChatCall,
  type Outcome,
  type Settlement,
  type SpentBill,
  type Target,
  type Usage,
} from '@sluice/kernel';
import type { ModelCatalog } from '@sluice/model-catalog';
import type { ProviderConfig } from '@sluice/config';
import type { AdapterLease } from '../provider.registry.js';
import type { ProviderMetrics } from '../provider.metrics.js';
import type { ProviderAdapter, ProviderAnswer } from '../provider-adapter.js';
import { AttemptGate } from './attempt.gate.js';
import { healthAfter } from './attempt.outcome.js';
import { AttemptStream } from './attempt.stream.js';
import type { Permit } from './circuit.breaker.js';
import type { ConcurrencySlots } from './concurrency.slots.js';
import type { TargetTrack } from './target.health.js';

/** What one run has spent on attempts that gave no answer. */
export class RunSpending {
  usage: Usage = NO_USAGE;
  costMicroUsd = 0;

  add(bill: SpentBill): void {
    this.usage = addUsage(this.usage, bill.usage);
    this.costMicroUsd += bill.costMicroUsd;
  }
}

/** What an attempt asks of its adapter. */
export type Question = (
  adapter: ProviderAdapter,
  call: ChatCall,
  target: Target,
  signal: AbortSignal,
) => Promise<ProviderAnswer>;

export const CHAT: Question = (adapter, call, target, signal) => {
  if (!adapter.tellsSending) call.hold.sending(target);
  return adapter.chat(call, target, signal);
};

export interface AttemptParts {
  readonly question: Question;
  readonly call: ChatCall;
  readonly target: Target;
  readonly config: ProviderConfig;
  readonly track: TargetTrack;
  readonly spending: RunSpending;
  readonly catalog: ModelCatalog;
  readonly metrics: ProviderMetrics;
  /** The longest cooldown that a Retry-After may cause, in ms. */
  readonly maxCooldownMs: number;
}

/**
 * One upstream try: everything it takes, and the one place that gives it all back. {@link settle} is called through
 * the kernel's `settled()`, hence exactly once.
 */
export class Attempt {
  readonly gate: AttemptGate;
  readonly fact: AttemptFact;
  lease: AdapterLease | undefined;
  slots: ConcurrencySlots | undefined;
  permit: Permit | undefined;
  #kind: 'message' | 'stream' | undefined;
  #sentAt: number | undefined;
  #bill: Bill | undefined;

  constructor(private readonly parts: AttemptParts) {
    const { call, target } = parts;
    this.gate = new AttemptGate(call.signal);
    this.fact = { model: target.model, provider: target.provider, startedAt: performance.now() };
    call.journal.attempts.push(this.fact);
  }

  /** Asks the adapter, which is leased by now; resolves with the first content in hand. */
  async ask(): Promise<ChatReply> {
    const { question, call, target, config, track, metrics } = this.parts;
    if (this.lease === undefined) throw new TypeError('an attempt without an adapter');
    metrics.started(target.provider);
    track.inflight++;
    const sentAt = performance.now();
    this.#sentAt = sentAt;
    const pending = question(this.lease.adapter, call, target, this.gate.signal);
    // The adapter has written its request by now: what follows is waiting, not work.
    const waitingSince = performance.now();
    try {
      const answer = await this.#orCut(pending);
      const reply =
        answer.kind === 'message'
          ? await this.#message(answer)
          : await this.#stream(answer, config.idleTimeout);
      this.#kind = answer.kind;
      const elapsed = performance.now() - sentAt;
      this.fact.firstByteMs = elapsed;
      this.fact.status = 200;
      track.latency.add(elapsed);
      return reply;
    } finally {
      call.journal.upstreamMs += performance.now() - waitingSince;
    }
  }

  settle(settlement: Settlement): void {
    const { target, track, metrics } = this.parts;
    this.gate.close();
    this.permit?.end(healthAfter(settlement, this.#kind));
    this.slots?.release();
    this.lease?.release();
    const error =
      settlement.kind === 'refused' ? asGatewayError(settlement.error) : settlement.end.error;
    if (error !== undefined) this.#failed(error);
    const now = performance.now();
    this.fact.durationMs = now - this.fact.startedAt;
    this.fact.outcome = outcomeOf(settlement);
    if (this.#sentAt !== undefined) {
      track.inflight--;
      metrics.ended(target, (now - this.#sentAt) / 1000);
      if (settlement.kind === 'refused')
        this.#bill = this.#lostBill(asGatewayError(settlement.error));
    }
    if (this.#bill !== undefined) {
      this.fact.usage = this.#bill.usage;
      this.fact.costMicroUsd = this.#bill.costMicroUsd;
      metrics.spent(this.#bill.usage);
      if (settlement.kind === 'refused') this.parts.spending.add(this.#bill);
    }
  }

  #failed(error: GatewayError): void {
    const { track, metrics, maxCooldownMs } = this.parts;
    this.fact.errorCode = error.code;
    const status = error.upstream?.status;
    if (status !== undefined) this.fact.status = status;
    if (error.code === 'client_closed') return;
    metrics.failed(error.code);
    // Only what the upstream asks for: a 429 without Retry-After says nothing about other calls.
    if (
      error.code === 'rate_limited' &&
      error.retryAfterMs !== undefined &&
      error.upstream !== undefined
    ) {
      track.coolDown(Math.min(error.retryAfterMs, maxCooldownMs));
    }
  }

  /** What an attempt without an answer costs: nothing if the upstream refused it, its prompt if we cut it short. */
  #lostBill(error: GatewayError): Bill | undefined {
    if (error.bill !== undefined) return error.bill;
    if (this.gate.reason === undefined || this.gate.reason === 'closed') return undefined;
    return this.#priced(usage({ input: this.#promptTokens(), estimated: true }));
  }

  async #orCut(pending: Promise<ProviderAnswer>): Promise<ProviderAnswer> {
    try {
      return await this.gate.within(pending);
    } catch (error) {
      // An answer that comes after the cut must not keep its socket.
      pending.then(
        (late) => {
          if (late.kind === 'stream') void late.chunks[Symbol.asyncIterator]().return?.();
        },
        () => undefined,
      );
      throw error;
    }
  }

  async #message(answer: Extract<ProviderAnswer, { kind: 'message' }>): Promise<ChatReply> {
    const { call, catalog, spending } = this.parts;
    this.gate.disarm();
    let { message } = answer;
    let spent = message.usage;
    if (spent.input === 0 && spent.output === 0) {
      spent = usage({
        input: await catalog.countPrompt(call.prompt),
        output: await catalog.countTokens(textIn(message)),
        estimated: true,
      });
      message = { ...message, usage: spent };
    }
    const own = this.#priced(spent);
    this.#bill = own;
    return ChatReply.message(message, {
      ...(answer.wire === undefined ? {} : { wire: answer.wire }),
      bill: {
        usage: addUsage(spending.usage, own.usage),
        costMicroUsd: spending.costMicroUsd + own.costMicroUsd,
      },
    });
  }

  async #stream(
    answer: Extract<ProviderAnswer, { kind: 'stream' }>,
    idleMs: number,
  ): Promise<ChatReply> {
    const { call, spending } = this.parts;
    const stream = new AttemptStream(answer, call, this.gate, {
      idleMs,
      promptTokens: () => this.#promptTokens(),
    });
    try {
      await stream.open();
    } catch (error) {
      const reported = answer.usage();
      void stream.return();
      throw amended(asGatewayError(error), {
        bill: reported === undefined ? undefined : this.#priced(reported),
      });
    }
    this.gate.disarm();
    return ChatReply.stream(stream, (outcome: Outcome) => {
      const spent = stream.usage(outcome);
      const own = this.#priced(spent);
      this.#bill = own;
      return {
        usage: addUsage(spending.usage, own.usage),
        costMicroUsd: spending.costMicroUsd + own.costMicroUsd,
        message: () => stream.message(spent),
      };
    });
  }

  #promptTokens(): number {
    return this.parts.catalog.countPromptNow(this.parts.call.prompt).tokens;
  }

  #priced(spent: Usage): SpentBill {
    const { catalog, target } = this.parts;
    return { usage: spent, costMicroUsd: catalog.cost(spent, target.price) };
  }
}

function outcomeOf(settlement: Settlement): Outcome {
  if (settlement.kind === 'ended') return settlement.end.outcome;
  const { error } = settlement;
  return error instanceof GatewayError && error.code === 'client_closed' ? 'abandoned' : 'failed';
}

function textIn(message: {
  readonly choices: readonly { readonly parts: readonly object[] }[];
}): string {
  return message.choices
    .flatMap((choice) => choice.parts)
    .map((part) =>
      Object.values(part)
        .filter((value) => typeof value === 'string')
        .slice(1)
        .join(' '),
    )
    .join('\n');
}
