import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { DeferredWork } from '@sluice/observability';
import type { EndedCall } from '../usage-event.builder.js';
import { HistoryRepository } from './history.repository.js';

/** Prompts of callers without a session of their own are kept together under this name. */
const NO_SESSION = '';

/** Stores prompts and answers, for the tiers of `usage.history.tiers` and nobody else. */
@Injectable()
export class HistoryRecorder {
  constructor(
    private readonly config: ConfigStore,
    private readonly repository: HistoryRepository,
    private readonly deferred: DeferredWork,
  ) {}

  /** Takes a call that has ended; keeps it when it was answered in full and its tier opted in. */
  offer({ call, settlement, key }: EndedCall): void {
    if (!this.config.current.sluice.usage.history.tiers.includes(call.caller.tier)) return;
    if (settlement.kind !== 'ended' || settlement.end.message === undefined) return;
    const { message } = settlement.end;
    this.deferred.run('history', () =>
      this.repository.add(
        { tenant: call.caller.tenant, caller: call.caller.id, session: call.session ?? NO_SESSION },
        {
          requestId: call.id,
          at: key.at,
          model: call.journal.servedBy?.model ?? call.model,
          prompt: call.body,
          answer: message(),
        },
      ),
    );
  }
}
