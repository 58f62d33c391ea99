import { Injectable } from '@nestjs/common';
import {
  ChatInterceptor,
  settled,
  type ChatCall,
  type ChatHandler,
  type ChatReply,
} from '@sluice/kernel';
import { CallHold, type HoldRooms } from './hold/call.hold.js';
import { CallNeeds } from './hold/call.need.js';
import { SpendGate } from './hold/spend.gate.js';
import { SpendEngine } from './spend.engine.js';

/**
 * Gives each call a hold. Nothing is reserved before an attempt asks for it, so a hit costs nothing and is served
 * also when the budget is spent; whatever was reserved ends with the reply.
 */
@Injectable()
export class TokenLimitsInterceptor extends ChatInterceptor {
  readonly #rooms: HoldRooms;

  constructor(gate: SpendGate, engine: SpendEngine, needs: CallNeeds) {
    super();
    this.#rooms = { gate, engine, needs };
  }

  around(call: ChatCall, next: ChatHandler): Promise<ChatReply> {
    const hold = new CallHold(call, this.#rooms);
    call.hold = hold;
    return settled(
      () => next(call),
      (settlement) => hold.finish(settlement),
    );
  }
}
