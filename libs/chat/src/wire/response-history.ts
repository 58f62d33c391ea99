import type { Caller, Message } from '@sluice/kernel';

/**
 * Earlier turns of the Responses API (`previous_response_id`). Kept by whoever keeps history; an answer is
 * readable only to the caller it was given to.
 */
export abstract class ResponseHistory {
  /** The conversation up to and with this response, without instructions; undefined when this caller has none. */
  abstract load(id: string, caller: Caller): Promise<readonly Message[] | undefined>;
  abstract save(id: string, caller: Caller, conversation: readonly Message[]): Promise<void>;
}
