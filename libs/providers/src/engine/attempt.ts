import {
  ChatReply,
  GatewayError,
  NO_USAGE,
  addUsage,
  amended,
  asGatewayError,
  settled,
  usage,
  type AttemptFact,
  type Bill,
  type ChatCall,
  type ChatMessage,
  type Outcome,
  type Settlement,
  type StopSignal,
  type SpentBill,
  type Target,
  type Usage,
  type WireBody,
} from '@sluice/kernel';
import type { ModelCatalog } from '@sluice/model-catalog';
import type { ProviderConfig } from '@sluice/config';
import type { AdapterLease, ProviderRegistry } from '../provider.registry.js';
import type { ProviderMetrics } from '../provider.metrics.js';
import type { ProviderAdapter, ProviderAnswer } from '../provider-adapter.js';
import { AttemptGate } from './attempt.gate.js';
import { healthAfter } from './attempt.outcome.js';
import { AttemptStream } from './attempt.stream.js';
import type { Permit } from './circuit.breaker.js';
import type { ConcurrencySlots } from './concurrency.slots.js';
import type { EngineSettings } from './engine.settings.js';
import type { TargetTrack } from './target.health.js';

type MessageAnswer = Extract<ProviderAnswer, { kind: 'message' }>;
type StreamAnswer = Extract<ProviderAnswer, { kind: 'stream' }>;

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
  signal: StopSignal,
) => Promise<ProviderAnswer>;

export const CHAT: Question = (adapter, call, target, signal) => {
  if (!adapter.tellsSending) call.hold.sending(target);
  return adapter.chat(call, target, signal);
};

export interface AttemptParts {
  readonly question: Question;
  readonly call: ChatCall;
  readonly target: Target;
  readonly spending: RunSpending;
  readonly config: ProviderConfig;
  readonly track: TargetTrack;
  readonly slots: ConcurrencySlots;
  /** What is left of the run's time until the first content. */
  readonly deadlineMs: number;
  readonly settings: EngineSettings;
  readonly registry: ProviderRegistry;
  readonly catalog: ModelCatalog;
  readonly metrics: ProviderMetrics;
}

/** An attempt under way. */
export interface Started {
  readonly reply: Promise<ChatReply>;
  /** Another attempt won. */
  readonly cancel: () => void;
}

/**
 * One upstream try: everything it takes, and the one place that gives it all back. {@link #settle} is called through
 * the kernel's `settled()`, hence exactly once.
 */
export class Attempt {
  readonly #parts: AttemptParts;
  readonly #gate: AttemptGate;
  readonly #fact: AttemptFact;
  #lease: AdapterLease | undefined;
  #slots: ConcurrencySlots | undefined;
  #permit: Permit | undefined;
  #kind: 'message' | 'stream' | undefined;
  #sentAt: number | undefined;
  #bill: Bill | undefined;

  constructor(parts: AttemptParts) {
    const { call, target } = parts;
    this.#parts = parts;
    this.#gate = new AttemptGate(call.signal);
    this.#fact = { model: target.model, provider: target.provider, startedAt: performance.now() };
    call.journal.attempts.push(this.#fact);
  }

  start(): Started {
    return {
      reply: settled(
        () => this.#run(),
        (settlement) => {
          this.#settle(settlement);
        },
      ),
      cancel: () => {
        this.#gate.cut('hedged');
      },
    };
  }

  /** Waits for what there is to take only where one must; resolves with the first content in hand. */
  async #run(): Promise<ChatReply> {
    const { call, config, registry, slots, target, track } = this.#parts;
    const lease = registry.lease(target.provider);
    this.#lease = lease instanceof Promise ? await this.#beforeDeadline(lease) : lease;
    if (!slots.tryTake(config.maxConcurrent)) await this.#queue();
    this.#slots = slots;
    this.#permit = track.enter();
    if (this.#permit === undefined) throw brokenError(target, 0);
    const pending = this.#send(this.#lease.adapter);
    // The adapter has written its request by now: what follows is waiting, not work.
    const waitingSince = performance.now();
    try {
      const answer = await this.#gate.within(pending, closeLate);
      const made = answer.kind === 'stream' ? this.#stream(answer) : this.#message(answer);
      const reply = made instanceof Promise ? await made : made;
      this.#answered(answer.kind);
      return reply;
    } finally {
      call.journal.upstreamMs += performance.now() - waitingSince;
    }
  }

  get #leftMs(): number {
    return this.#parts.deadlineMs - (performance.now() - this.#fact.startedAt);
  }

  #beforeDeadline<T>(wait: Promise<T>): Promise<T> {
    this.#gate.arm('deadline', this.#leftMs);
    return wait;
  }

  async #queue(): Promise<void> {
    const { call, config, settings, slots } = this.#parts;
    const since = performance.now();
    try {
      await this.#beforeDeadline(
        slots.take({
          ...settings.queueing(call),
          signal: this.#gate.signal,
          limit: config.maxConcurrent,
        }),
      );
    } finally {
      call.journal.upstreamMs += performance.now() - since;
    }
  }

  #send(adapter: ProviderAdapter): Promise<ProviderAnswer> {
    const { question, call, target, config, track, metrics } = this.#parts;
    const answerMs = call.stream ? config.firstTokenTimeout : config.timeout;
    const left = this.#leftMs;
    const reason = left < answerMs ? 'deadline' : call.stream ? 'first_content' : 'whole';
    this.#gate.arm(reason, Math.min(left, answerMs));
    metrics.started(target.provider);
    track.inflight++;
    this.#sentAt = performance.now();
    return question(adapter, call, target, this.#gate.signal);
  }

  #answered(kind: ProviderAnswer['kind']): void {
    this.#kind = kind;
    const elapsed = performance.now() - (this.#sentAt ?? 0);
    this.#fact.firstByteMs = elapsed;
    this.#fact.status = 200;
    this.#parts.track.latency.add(elapsed);
  }

  #settle(settlement: Settlement): void {
    const { target, track, metrics } = this.#parts;
    this.#gate.close();
    this.#permit?.end(healthAfter(settlement, this.#kind));
    this.#slots?.release();
    this.#lease?.release();
    const error =
      settlement.kind === 'refused' ? asGatewayError(settlement.error) : settlement.end.error;
    if (error !== undefined) this.#failed(error);
    const now = performance.now();
    this.#fact.durationMs = now - this.#fact.startedAt;
    this.#fact.outcome = outcomeOf(settlement);
    if (this.#sentAt !== undefined) {
      track.inflight--;
      metrics.ended(target, (now - this.#sentAt) / 1000);
      if (settlement.kind === 'refused')
        this.#bill = this.#lostBill(asGatewayError(settlement.error));
    }
    if (this.#bill !== undefined) {
      this.#fact.usage = this.#bill.usage;
      this.#fact.costMicroUsd = this.#bill.costMicroUsd;
      metrics.spent(this.#bill.usage);
      if (settlement.kind === 'refused') this.#parts.spending.add(this.#bill);
    }
  }

  #failed(error: GatewayError): void {
    const { track, metrics, settings } = this.#parts;
    this.#fact.errorCode = error.code;
    const status = error.upstream?.status;
    if (status !== undefined) this.#fact.status = status;
    if (error.code === 'client_closed') return;
    metrics.failed(error.code);
    // Only what the upstream asks for: a 429 without Retry-After says nothing about other calls.
    if (
      error.code === 'rate_limited' &&
      error.retryAfterMs !== undefined &&
      error.upstream !== undefined
    ) {
      track.coolDown(Math.min(error.retryAfterMs, settings.maxCooldownMs));
    }
  }

  /** What an attempt without an answer costs: nothing if the upstream refused it, its prompt if we cut it short. */
  #lostBill(error: GatewayError): Bill | undefined {
    if (error.bill !== undefined) return error.bill;
    if (this.#gate.reason === undefined || this.#gate.reason === 'closed') return undefined;
    return this.#priced(usage({ input: this.#promptTokens(), estimated: true }));
  }

  /** A promise only where the upstream did not say what its answer took. */
  #message(answer: MessageAnswer): ChatReply | Promise<ChatReply> {
    this.#gate.disarm();
    const { input, output } = answer.message.usage;
    return input === 0 && output === 0
      ? this.#estimated(answer.message).then((message) => this.#reply(message, answer.wire))
      : this.#reply(answer.message, answer.wire);
  }

  async #estimated(message: ChatMessage): Promise<ChatMessage> {
    const { call, catalog } = this.#parts;
    const spent = usage({
      input: await catalog.countPrompt(call.prompt),
      output: await catalog.countTokens(textIn(message)),
      estimated: true,
    });
    return { ...message, usage: spent };
  }

  #reply(message: ChatMessage, wire: WireBody | undefined): ChatReply {
    const { spending } = this.#parts;
    const own = this.#priced(message.usage);
    this.#bill = own;
    const bill = {
      usage: addUsage(spending.usage, own.usage),
      costMicroUsd: spending.costMicroUsd + own.costMicroUsd,
    };
    return ChatReply.message(message, wire === undefined ? { bill } : { wire, bill });
  }

  async #stream(answer: StreamAnswer): Promise<ChatReply> {
    const { call, config, spending } = this.#parts;
    const stream = new AttemptStream(answer, call, this.#gate, {
      idleMs: config.idleTimeout,
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
    this.#gate.disarm();
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
    return this.#parts.catalog.countPromptNow(this.#parts.call.prompt).tokens;
  }

  #priced(spent: Usage): SpentBill {
    const { catalog, target } = this.#parts;
    return { usage: spent, costMicroUsd: catalog.cost(spent, target.price) };
  }
}

/** An answer that comes after the cut must not keep its socket. */
function closeLate(late: ProviderAnswer): void {
  if (late.kind === 'stream') void late.chunks[Symbol.asyncIterator]().return?.();
}

export function brokenError(target: Target, waitMs: number): GatewayError {
  return new GatewayError(
    'overloaded',
    `Model '${target.model}' is failing and is left alone for now.`,
    {
      ...(waitMs > 0 ? { retryAfterMs: waitMs } : {}),
      facts: { provider: target.provider, model: target.model, breaker: 'open' },
    },
  );
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
