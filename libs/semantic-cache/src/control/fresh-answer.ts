import type { ChatCall, ChatMessage } from '@sluice/kernel';

/**
 * Answers that nobody waits for, on the gateway's own account. Bound by the app to the pipeline with the
 * cache off and SYSTEM accounting.
 */
export abstract class FreshAnswer {
  /** The same request, answered anew. @throws anything: then there is no label */
  abstract ask(call: ChatCall): Promise<ChatMessage>;
  /** A plain question to a named model, for judging. */
  abstract complete(model: string, prompt: string): Promise<ChatMessage>;
}
