import type { ChatCall } from './call.js';
import type { ChatReply } from './reply.js';

export type ChatHandler = (call: ChatCall) => Promise<ChatReply>;

/**
 * One layer of the chat pipeline. `next` may be called at most once; the reply resolves when its first
 * event is in hand, so before that a layer may throw and the caller gets an HTTP status.
 * A layer observes a reply ({@link ChatReply.observe}); it does not wrap the stream.
 */
export abstract class ChatInterceptor {
  abstract around(call: ChatCall, next: ChatHandler): Promise<ChatReply>;
}
