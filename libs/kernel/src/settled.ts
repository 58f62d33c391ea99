import type { ChatReply, ReplyEnd } from './reply.js';

/** What happened to something that was taken: it never left the house, or it ended with a reply. */
export type Settlement =
  | { readonly kind: 'refused'; readonly error: unknown }
  | { readonly kind: 'ended'; readonly end: ReplyEnd };

/**
 * Runs `use` with something that must be given back, and calls `giveBack` exactly once: when `use` throws
 * (the call got no reply), or when the reply ends: completed, failed, abandoned, or never read at all.
 */
export function settled(
  use: () => Promise<ChatReply>,
  giveBack: (settlement: Settlement) => void,
): Promise<ChatReply> {
  // Not an async function: a call goes through five of these, and each one's frame would live as long as the call.
  let reply: Promise<ChatReply>;
  try {
    reply = use();
  } catch (error) {
    reply = Promise.reject(error instanceof Error ? error : new Error(String(error)));
  }
  return reply.then(
    (made) =>
      made.observe({
        onEnd: (end) => {
          giveBack({ kind: 'ended', end });
        },
      }),
    (error: unknown) => {
      giveBack({ kind: 'refused', error });
      throw error;
    },
  );
}
