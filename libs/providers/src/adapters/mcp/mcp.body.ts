import { textOf, type ChatCall, type Role, type Target } from '@sluice/kernel';
import { Losses } from '../../dialects/losses.js';

/** One question is its text; a conversation is told as a transcript. */
export function promptText(call: ChatCall, target: Target): string {
  const { prompt } = call;
  const losses = new Losses(call, target);
  losses.check(prompt, ['n', 'tools', 'responseFormat', 'logprobs', 'stop']);
  const told = prompt.messages.map((message, index) => {
    for (const [at, part] of message.parts.entries()) {
      if (part.type !== 'text' && part.type !== 'reasoning' && part.type !== 'refusal') {
        losses.part(message, index, at);
      }
    }
    return { role: message.role, text: textOf(message.parts) };
  });
  const [only] = told;
  if (told.length === 1 && only?.role === 'user') return only.text;
  return transcript(told);
}

function transcript(told: readonly { readonly role: Role; readonly text: string }[]): string {
  return told
    .filter(({ text }) => text !== '')
    .map(({ role, text }) => `${role}: ${text}`)
    .join('\n\n');
}
