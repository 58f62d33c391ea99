import {
  addUsage,
  GatewayError,
  NO_USAGE,
  type ChatCall,
  type Clock,
  type SpendHold,
  type Target,
  type Progress,
} from '@sluice/kernel';
import { costOf } from '@sluice/model-catalog';
import { OpenCallNotes } from '../spool/open-call.log.js';
import { expectedEvent, keyOf, type EventKey } from '../usage-event.builder.js';
import type { UsageRecorder } from '../usage.recorder.js';

/** How much of a stream's output a note may miss. */
const PROGRESS_EVERY_MS = 1_000;

export interface NotedHoldRooms {
  readonly recorder: UsageRecorder;
  readonly clock: Clock;
  readonly configVersion: () => number;
}

/** A call that was noted before it went upstream: its event has the note's key. */
export interface NotedCall {
  readonly key: EventKey;
  readonly notes: OpenCallNotes;
}

/**
 * The call's hold; whatever it covers is noted before the upstream hears of it, and once a second how far a stream has
 * come, so that a process that is killed leaves an estimate of the bill.
 */
export class NotedHold implements SpendHold {
  #noted: NotedCall | undefined;
  #target: Target | undefined;
  #notedAt = 0;
  #ended = false;

  constructor(
    private readonly call: ChatCall,
    private readonly hold: SpendHold,
    private readonly rooms: NotedHoldRooms,
  ) {}

  /** @throws GatewayError overloaded when the note cannot be written; what the hold throws */
  cover(target: Target): Promise<void> | undefined {
    const covered = this.hold.cover(target);
    return covered === undefined
      ? this.#covered(target)
      : covered.then(() => this.#covered(target));
  }

  #covered(target: Target): Promise<void> | undefined {
    // Its event is written already, under a key that no note knows.
    if (this.#ended) throw new GatewayError('client_closed', 'The call has ended.');
    this.#target = target;
    return this.#note(target);
  }

  sending(target: Target): void {
    this.hold.sending(target);
  }

  progress(outputTokens: number): Progress | Promise<Progress> {
    const target = this.#target;
    if (target !== undefined && this.rooms.clock.monotonic() - this.#notedAt > PROGRESS_EVERY_MS) {
      // The answer goes on as well when the disk takes no more: the earlier note stands.
      void this.#note(target, outputTokens)?.catch(() => undefined);
    }
    return this.hold.progress(outputTokens);
  }

  /** The call has ended. @returns undefined when it never went upstream */
  end(): NotedCall | undefined {
    this.#ended = true;
    return this.#noted;
  }

  /** @param output tokens that were streamed so far; the usual length when none is given */
  #note(target: Target, output?: number): Promise<void> | undefined {
    const { recorder, clock, configVersion } = this.rooms;
    this.#notedAt = clock.monotonic();
    this.#noted ??= { key: keyOf(this.call, clock.now()), notes: new OpenCallNotes() };
    const { expected } = this.call.journal;
    const usual = expected?.usage ?? NO_USAGE;
    const usage = output === undefined ? usual : { ...usual, output };
    const cost = costOf(usage, target.price);
    const event = expectedEvent({
      call: this.call,
      target,
      key: this.#noted.key,
      usage: expected === undefined ? usage : addUsage(expected.earlier.usage, usage),
      costMicroUsd: cost + (expected?.earlier.costMicroUsd ?? 0),
      elapsedMs: this.#notedAt - this.call.startedAt,
      configVersion: configVersion(),
    });
    return recorder.note(event, this.#noted.notes);
  }
}
