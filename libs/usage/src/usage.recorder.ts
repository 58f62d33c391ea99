import { Injectable } from '@nestjs/common';
import { GatewayError } from '@sluice/kernel';
import { encodeEvent } from './persistence/usage.columns.js';
import type { OpenCallNotes } from './spool/open-call.log.js';
import { UsageSpool } from './spool/usage.spool.js';
import type { UsageEvent } from './usage-event.js';
import { UsageMetrics } from './usage.metrics.js';

const RETRY_AFTER_MS = 5_000;

/** The door for usage events. */
@Injectable()
export class UsageRecorder {
  constructor(
    private readonly spool: UsageSpool,
    private readonly metrics: UsageMetrics,
  ) {}

  /**
   * Resolves when the event is on the disk (a few milliseconds later); from then on it cannot get lost.
   * Waits while the disk is full. Rejects only when the process is shutting down.
   * @param notes of the call when it was noted; they have served then
   */
  record(event: UsageEvent, notes?: OpenCallNotes): Promise<void> {
    // With a full disk every new call is refused, and memory is for bills.
    if (notes === undefined && event.costMicroUsd === 0 && this.spool.stalled) {
      this.metrics.dropped();
      return Promise.resolve();
    }
    this.metrics.count(event);
    return this.spool.append(encodeEvent(event), notes);
  }

  /**
   * Notes what a call becomes if this process dies, to be called before it goes upstream. Done at once, but for a slow disk.
   * @throws GatewayError overloaded when there is no place for it
   */
  note(event: UsageEvent, notes: OpenCallNotes): Promise<void> | undefined {
    try {
      return this.spool.note(encodeEvent(event), notes)?.catch(refuse);
    } catch (error) {
      return refuse(error);
    }
  }

  /** There is no safe place for further bills: the disk is full, or the spool has reached its limit. */
  get full(): boolean {
    return this.spool.full;
  }

  /**
   * To be asked before a call is sent to a provider that will bill it.
   * @throws GatewayError overloaded
   */
  admit(): void {
    if (this.full) refuse();
  }
}

function refuse(cause?: unknown): never {
  throw new GatewayError('overloaded', 'Usage cannot be recorded at the moment.', {
    retryAfterMs: RETRY_AFTER_MS,
    cause,
  });
}
