import type { ChatCall, ChatHandler, ChatInterceptor, ChatReply } from '@sluice/kernel';
import { PerformanceInterceptor } from '@sluice/routing';
import { SemanticCacheInterceptor } from '@sluice/semantic-cache';
import { TokenLimitsInterceptor } from '@sluice/token-limits';
import { PaidCallInterceptor, UsageInterceptor } from '@sluice/usage';
import type { ChatService } from './chat.service.js';
import { CoalescingInterceptor } from './coalescing.interceptor.js';
import { compose } from './compose.js';

/** The way of a chat call behind the doors, outermost first. This list is the order; nothing else is. */
export const CHAT_INTERCEPTORS = [
  UsageInterceptor, // exactly one usage row, however the call ends
  PerformanceInterceptor, // latency and success of each path, as callers see it
  TokenLimitsInterceptor, // tokens and money: held before an attempt, settled with the truth
  PaidCallInterceptor, // a note before an upstream is asked: a killed process leaves an estimate
  SemanticCacheInterceptor, // answers that were paid for once
  CoalescingInterceptor, // identical calls in flight share one run
] as const;

/** The composed pipeline: the one way to an answer, for HTTP and for work that is not. */
export class ChatPipeline {
  readonly #handle: ChatHandler;

  constructor(interceptors: readonly ChatInterceptor[], service: ChatService) {
    const members: ChatHandler = (call) => this.run(call);
    this.#handle = compose(interceptors, (call) => service.answer(call, members));
  }

  /** Resolves when the first event is in hand; throws GatewayError before that. */
  run(call: ChatCall): Promise<ChatReply> {
    return this.#handle(call);
  }
}
