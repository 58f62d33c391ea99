import { Injectable } from '@nestjs/common';
import {
  addUsage,
  amended,
  asGatewayError,
  ChatReply,
  Clock,
  MessageAssembler,
  NO_USAGE,
  type ChatCall,
  type ChatChunk,
  type ChatMessage,
  type GatewayError,
  type SpentBill,
  type Target,
} from '@sluice/kernel';
import { DecisionLog } from './decisions/decision.log.js';
import type { CascadePlan } from './decisions/decision.js';
import { inspectAnswer } from './inspection/inspect-answer.js';
import { RoutingLearning } from './learning/routing.learning.js';
import { RoutingMetrics } from './routing.metrics.js';

/** Runs attempts and resolves when the first event is in hand. */
export type RunAttempts = (targets: readonly Target[]) => Promise<ChatReply>;

/** A stream is held back for at most this long or this much; then it flows unchecked. */
const HOLD_MS = 20_000;
const HOLD_CHARS = 16_000;

type Held =
  | { readonly kind: 'whole'; readonly message: ChatMessage; readonly chunks: readonly ChatChunk[] }
  | {
      readonly kind: 'released';
      readonly chunks: readonly ChatChunk[];
      readonly rest: AsyncIterableIterator<ChatChunk>;
    };

const NOTHING: SpentBill = { usage: NO_USAGE, costMicroUsd: 0 };

/**
 * Asks the cheap side, inspects its answer, and asks the strong side when it fails. The caller sees one answer and one
 * bill: an escalated call costs both, also when nothing comes of it. What was rejected is never shown.
 */
@Injectable()
export class CascadeRunner {
  constructor(
    private readonly clock: Clock,
    private readonly learning: RoutingLearning,
    private readonly log: DecisionLog,
    private readonly metrics: RoutingMetrics,
  ) {}

  /** @throws GatewayError of the strong side; the cheap side's errors only escalate. */
  async run(call: ChatCall, plan: CascadePlan, run: RunAttempts): Promise<ChatReply> {
    let cheap: ChatReply;
    try {
      cheap = await run(plan.cheap);
    } catch (error) {
      // Nobody is left to answer to; asking the strong side would only cost.
      if (call.signal.aborted) throw error;
      this.#note(call, plan, 'failed');
      return this.#strong({ call, plan, run }, asGatewayError(error).bill ?? NOTHING);
    }
    const bill = billOf(cheap);
    return cheap.kind === 'message'
      ? this.#judgeMessage({ call, plan, run }, cheap, bill)
      : this.#judgeStream({ call, plan, run }, cheap, bill);
  }

  async #judgeMessage(way: Way, cheap: ChatReply, bill: () => SpentBill): Promise<ChatReply> {
    const message = cheap.peek();
    if (message !== undefined && this.#accepts(way.call, message)) {
      this.#note(way.call, way.plan, 'accepted');
      return cheap;
    }
    cheap.take();
    return this.#escalate(way, bill());
  }

  async #judgeStream(way: Way, cheap: ChatReply, bill: () => SpentBill): Promise<ChatReply> {
    const chunks = cheap.chunks();
    let held: Held;
    try {
      held = await this.#hold(chunks);
    } catch (error) {
      if (way.call.signal.aborted) throw charged(asGatewayError(error), bill());
      this.#note(way.call, way.plan, 'failed');
      return this.#strong(way, bill());
    }
    if (held.kind === 'released') {
      this.#note(way.call, way.plan, 'released');
      return replay(held.chunks, held.rest, cheap, bill);
    }
    if (!this.#accepts(way.call, held.message)) return this.#escalate(way, bill());
    this.#note(way.call, way.plan, 'accepted');
    return replay(held.chunks, undefined, cheap, bill, held.message);
  }

  async #hold(chunks: AsyncIterableIterator<ChatChunk>): Promise<Held> {
    const assembler = new MessageAssembler();
    const buffer: ChatChunk[] = [];
    const deadline = this.clock.monotonic() + HOLD_MS;
    let size = 0;
    for (;;) {
      const step = await chunks.next();
      if (step.done === true)
        return { kind: 'whole', message: assembler.message(), chunks: buffer };
      buffer.push(step.value);
      assembler.add(step.value);
      for (const event of step.value.events) size += 'text' in event ? event.text.length : 0;
      if (size > HOLD_CHARS || this.clock.monotonic() > deadline) {
        return { kind: 'released', chunks: buffer, rest: chunks };
      }
    }
  }

  #accepts(call: ChatCall, message: ChatMessage): boolean {
    return inspectAnswer(call.prompt, message).ok;
  }

  #escalate(way: Way, spent: SpentBill): Promise<ChatReply> {
    this.#note(way.call, way.plan, 'escalated');
    return this.#strong(way, spent);
  }

  async #strong({ run, plan }: Way, spent: SpentBill): Promise<ChatReply> {
    let strong: ChatReply;
    try {
      strong = await run(plan.strong);
    } catch (error) {
      throw charged(asGatewayError(error), spent);
    }
    if (spent === NOTHING) return strong;
    const bill = billOf(strong);
    const both = (): SpentBill => sumOf(spent, bill());
    const message = strong.peek();
    if (message === undefined) return replay([], strong.chunks(), strong, both);
    const { wire } = strong;
    strong.take();
    return ChatReply.message(message, { ...(wire === undefined ? {} : { wire }), bill: both() });
  }

  #note(
    call: ChatCall,
    plan: CascadePlan,
    outcome: 'accepted' | 'escalated' | 'released' | 'failed',
  ): void {
    this.metrics.cascades.inc({ outcome });
    const decision = this.log.of(call);
    const grade = decision?.grade;
    const [cheap] = plan.cheap;
    const model = cheap?.model;
    // Tells what the cheap model makes of work that the estimator thinks too hard for it.
    const inspected = outcome === 'accepted' || outcome === 'escalated';
    if (inspected && decision?.reason === 'estimate' && cheap?.grade === 'simple') {
      this.learning.thresholds.evidence.label(
        decision.features?.uplift ?? Number.NaN,
        outcome === 'accepted',
      );
    }
    if (outcome === 'escalated' && grade !== undefined && model !== undefined) {
      this.learning.ledger.record(model, grade, false);
    }
  }
}

interface Way {
  readonly call: ChatCall;
  readonly plan: CascadePlan;
  readonly run: RunAttempts;
}

function sumOf(a: SpentBill, b: SpentBill): SpentBill {
  return { usage: addUsage(a.usage, b.usage), costMicroUsd: a.costMicroUsd + b.costMicroUsd };
}

/** The error, which must pay for what was spent before it, too. */
function charged(error: GatewayError, spent: SpentBill): GatewayError {
  if (spent === NOTHING) return error;
  return amended(error, { bill: error.bill === undefined ? spent : sumOf(spent, error.bill) });
}

/** What a reply came to, known once it has ended. */
function billOf(reply: ChatReply): () => SpentBill {
  let bill = NOTHING;
  reply.observe({
    onEnd: (end) => {
      bill = { usage: end.usage, costMicroUsd: end.costMicroUsd };
    },
  });
  return () => bill;
}

/** A reply of chunks in hand and chunks to come, whose end ends `source`. */
function replay(
  first: readonly ChatChunk[],
  rest: AsyncIterableIterator<ChatChunk> | undefined,
  source: ChatReply,
  bill: () => SpentBill,
  message?: ChatMessage,
): ChatReply {
  let at = 0;
  const assembler = new MessageAssembler();
  const chunks: AsyncIterableIterator<ChatChunk> = {
    [Symbol.asyncIterator]: () => chunks,
    next: async () => {
      const value = first[at];
      if (value !== undefined) {
        at++;
        if (message === undefined) assembler.add(value);
        return { done: false, value };
      }
      const step = await rest?.next();
      if (step === undefined || step.done === true) return { done: true, value: undefined };
      assembler.add(step.value);
      return step;
    },
    return: async () => {
      await source.abandon();
      return { done: true, value: undefined };
    },
  };
  return ChatReply.stream(chunks, () => {
    // Left midway: the source must end before its bill is read.
    if (!source.ended) void source.abandon();
    return { ...bill(), message: () => message ?? assembler.message() };
  });
}
