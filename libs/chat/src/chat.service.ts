import { Injectable } from '@nestjs/common';
import type { ChatCall, ChatHandler, ChatReply } from '@sluice/kernel';
import { AttemptRunner } from '@sluice/providers';
import { CascadeRunner, Router, RoutingObserver } from '@sluice/routing';
import { UsageRecorder } from '@sluice/usage';
import { EnsembleRunner } from './ensemble.runner.js';

/** The innermost handler: where to, then there. Everything around it is the interceptors' business. */
@Injectable()
export class ChatService {
  constructor(
    private readonly router: Router,
    private readonly attempts: AttemptRunner,
    private readonly cascade: CascadeRunner,
    private readonly ensembles: EnsembleRunner,
    private readonly observer: RoutingObserver,
    private readonly usage: UsageRecorder,
  ) {}

  /** @param pipeline the whole composed pipeline, for an ensemble's members. */
  async answer(call: ChatCall, pipeline: ChatHandler): Promise<ChatReply> {
    const decision = this.router.route(call);
    if (decision.ensemble !== undefined) {
      return this.ensembles.run(call, decision.ensemble, pipeline);
    }
    // What cannot be written down must not be spent: answers from caches go on.
    this.usage.admit();
    return this.observer.watch(call, decision, () =>
      decision.cascade === undefined
        ? this.attempts.run(call, decision.attempts)
        : this.cascade.run(call, decision.cascade, (targets) => this.attempts.run(call, targets)),
    );
  }
}
