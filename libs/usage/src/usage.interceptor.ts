import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import {
  ChatInterceptor,
  Clock,
  settled,
  type ChatCall,
  type ChatHandler,
  type ChatReply,
} from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import { HistoryRecorder } from './history/history.recorder.js';
import { endNoted } from './paid-call/paid-call.interceptor.js';
import { keyOf, usageEvent, type EndedCall } from './usage-event.builder.js';
import type { OpenCallNotes } from './spool/open-call.log.js';
import { UsageRecorder } from './usage.recorder.js';

/**
 * Events built in one turn of the event loop: less than a millisecond of work. More than one turn can end under load, so
 * that nothing piles up; it bounds the turn in which thousands of streams are cut off at once.
 */
const EVENTS_PER_TURN = 128;

interface Ended extends EndedCall {
  readonly notes: OpenCallNotes | undefined;
}

/**
 * Records exactly one event for each call, however it ends. On the call's path it only notes the end;
 * the event is built when the caller has its answer.
 */
@Injectable()
export class UsageInterceptor extends ChatInterceptor {
  #ended: Ended[] = [];
  #scheduled = false;

  constructor(
    private readonly recorder: UsageRecorder,
    private readonly history: HistoryRecorder,
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    super();
  }

  around(call: ChatCall, next: ChatHandler): Promise<ChatReply> {
    return settled(
      () => next(call),
      (settlement) => {
        const noted = endNoted(call);
        this.#ended.push({
          call,
          settlement,
          key: noted?.key ?? keyOf(call, this.clock.now()),
          notes: noted?.notes,
          endedAt: this.clock.monotonic(),
          configVersion: this.config.current.version,
        });
        this.#schedule();
      },
    );
  }

  /** Hands over every call that has ended so far. For the shutdown, before the spool is flushed. */
  flush(): void {
    while (this.#ended.length > 0) this.#turn();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#turn();
      if (this.#ended.length > 0) this.#schedule();
    });
  }

  #turn(): void {
    const some = this.#ended;
    this.#ended = some.length > EVENTS_PER_TURN ? some.splice(EVENTS_PER_TURN) : [];
    for (const ended of some) {
      const event = usageEvent(ended);
      this.recorder.record(event, ended.notes).catch((error: unknown) => {
        // Only when the disk is still full at the end of the shutdown: the last place left is the log.
        this.logger.error({ err: error, event }, 'usage event could not be stored');
      });
      this.history.offer(ended);
    }
  }
}
