import { GatewayError, MessageAssembler, type ChatMessage, type ChatReply } from '@sluice/kernel';

/** Reads a reply to its end and returns the whole message. For work that is not HTTP. */
export async function collect(reply: ChatReply): Promise<ChatMessage> {
  if (reply.kind === 'message') return reply.take();
  const assembler = new MessageAssembler();
  for await (const chunk of reply.chunks()) assembler.add(chunk);
  const message = assembler.message();
  if (message.choices.length === 0) {
    throw new GatewayError('upstream_error', 'The upstream answered with an empty stream.');
  }
  return message;
}
