import { microToUsd, textOf, type ChatCall, type ChatMessage } from '@sluice/kernel';
import { chatUsage } from './openai-chat.format.js';
import { OpenAiChatWire } from './openai-chat.wire.js';

/**
 * `POST /chat`: nothing but `messages` is needed, and the router chooses. Whatever else Chat Completions takes is taken
 * too; a stream, when asked for, is Chat Completions SSE.
 */
export class SluiceWire extends OpenAiChatWire {
  override readonly name = 'sluice';

  override format(message: ChatMessage, call: ChatCall): Record<string, unknown> {
    const { journal } = call;
    const served = journal.servedBy;
    // A hit and a coalesced follower made no attempt of their own and cost nothing.
    const cost = journal.attempts.reduce((sum, a) => sum + (a.costMicroUsd ?? 0), 0);
    return {
      id: message.id,
      content: textOf(message.choices[0]?.parts ?? []),
      model: served?.model ?? message.model,
      provider: served?.provider ?? null,
      cache: journal.cache?.verdict ?? 'bypass',
      usage: chatUsage(message.usage),
      cost_usd: microToUsd(cost),
    };
  }
}
