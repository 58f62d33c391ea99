import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import {
  ChatInterceptor,
  Clock,
  type ChatCall,
  type ChatHandler,
  type ChatReply,
} from '@sluice/kernel';
import { UsageRecorder } from '../usage.recorder.js';
import { NotedHold, type NotedCall, type NotedHoldRooms } from './noted.hold.js';

/** Notes every call before it costs something. Inside the room that gives calls their holds: it wraps them. */
@Injectable()
export class PaidCallInterceptor extends ChatInterceptor {
  readonly #rooms: NotedHoldRooms;

  constructor(recorder: UsageRecorder, config: ConfigStore, clock: Clock) {
    super();
    this.#rooms = { recorder, clock, configVersion: () => config.current.version };
  }

  around(call: ChatCall, next: ChatHandler): Promise<ChatReply> {
    call.hold = new NotedHold(call, call.hold, this.#rooms);
    return next(call);
  }
}

/** To be asked once, when the call has ended. @returns undefined for a call that never went upstream */
export function endNoted({ hold }: ChatCall): NotedCall | undefined {
  return hold instanceof NotedHold ? hold.end() : undefined;
}
