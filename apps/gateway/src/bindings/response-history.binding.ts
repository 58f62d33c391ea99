import { Injectable } from '@nestjs/common';
import { ResponseHistory } from '@sluice/chat';
import { ConfigStore } from '@sluice/config';
import { GatewayError, type Caller, type Message } from '@sluice/kernel';
import { AgentStateRepository } from '@sluice/usage';

const AGENT = 'responses';

/** Turns of the Responses API live in `agent_state`, for tiers whose history the operator keeps. */
@Injectable()
export class StoredResponses extends ResponseHistory {
  constructor(
    private readonly states: AgentStateRepository,
    private readonly config: ConfigStore,
  ) {
    super();
  }

  async load(id: string, caller: Caller): Promise<readonly Message[] | undefined> {
    if (!this.#keeps(caller)) {
      throw new GatewayError(
        'invalid_request',
        'This gateway keeps no history for this caller: send the whole conversation in `input`.',
        { param: 'previous_response_id' },
      );
    }
    const state = await this.states.get(keyOf(id, caller), AGENT);
    // Written by `save` alone, and read only by the caller it was written for.
    return state as readonly Message[] | undefined;
  }

  async save(id: string, caller: Caller, conversation: readonly Message[]): Promise<void> {
    if (this.#keeps(caller)) await this.states.put(keyOf(id, caller), AGENT, conversation);
  }

  #keeps(caller: Caller): boolean {
    return this.config.current.sluice.usage.history.tiers.includes(caller.tier);
  }
}

function keyOf(id: string, caller: Caller): { tenant: string; caller: string; session: string } {
  return { tenant: caller.tenant, caller: caller.id, session: id };
}
