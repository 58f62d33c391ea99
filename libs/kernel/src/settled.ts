import type { ChatReply, ReplyEnd } from './reply.js';

/** What happened to something that was taken: it never left the house, or it ended with a reply. */
export type Settlement =
  | { readonly kind: 'refused'; readonly error: unknown }
  | { readonly kind: 'ended'; readonly end: ReplyEnd };

/**
 * Runs `use` with something that must be given back, and calls `giveBack` exactly once: when `use` throws
 * (the call got no reply), or when the reply ends: completed, failed, abandoned, or never read at all.
 */
export async function settled(
  use: () => Promise<ChatReply>,
  giveBack: (settlement: Settlement) => void,
): Promise<ChatReply> {
  let reply: ChatReply;
  try {
    reply = await use();
  } catch (error) {
    giveBack({ kind: 'refused', error });
    throw error;
  }
  return reply.observe({
    onEnd: (end) => {
      giveBack({ kind: 'ended', end });
    },
  });
}
