import {
  isExactNumber,
  parseExact,
  type Message,
  type Part,
  type Prompt,
  type TextPart,
} from '@sluice/kernel';
import type { Losses } from './losses.js';

/** One side's say: what several messages of one role come to where roles must alternate. */
export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly parts: readonly PlacedPart[];
}
/** A part and where the caller put it. */
export interface PlacedPart {
  readonly part: Part;
  readonly message: Message;
  readonly index: number;
  readonly at: number;
}
export interface Conversation {
  readonly system: readonly TextPart[];
  readonly turns: readonly Turn[];
}

/**
 * The prompt for targets that keep the system text apart, answer tools in the user's turn and want turns to
 * alternate. A system message after the conversation has begun would change its place, which is a loss, and so would one
 * alone its role.
 */
export function conversationOf(prompt: Prompt, losses: Losses): Conversation {
  const system: TextPart[] = [];
  const turns: { role: Turn['role']; parts: PlacedPart[] }[] = [];
  for (const [index, message] of prompt.messages.entries()) {
    if (message.role === 'system' || message.role === 'developer') {
      if (turns.length > 0) losses.message(index, 'role');
      for (const [at, part] of message.parts.entries()) {
        // Nothing said is nothing meant, and an empty block would be refused.
        if (part.type === 'text') system.push(...(part.text === '' ? [] : [part]));
        else losses.part(message, index, at);
      }
      continue;
    }
    if (message.name !== undefined && message.role !== 'tool') losses.message(index, 'name');
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    let turn = turns.at(-1);
    if (turn?.role !== role) {
      turn = { role, parts: [] };
      turns.push(turn);
    }
    for (const [at, part] of message.parts.entries()) turn.parts.push({ part, message, index, at });
  }
  if (turns.length > 0 || system.length === 0) return { system, turns };
  // Words that nobody has said: an instruction alone is no conversation here.
  const [message] = prompt.messages;
  if (message === undefined) return { system, turns };
  losses.message(0, 'role');
  const parts = system.map((part, at): PlacedPart => ({ part, message, index: 0, at }));
  return { system: [], turns: [{ role: 'user', parts }] };
}

/** Tool arguments as the object that other dialects want; broken JSON is handed on as the text it is. */
export function argumentsObject(text: string): Record<string, unknown> {
  if (text.trim() === '') return {};
  try {
    const value = parseExact(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (isObject && !isExactNumber(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // The model wrote it, and the model may read it again.
  }
  return { INVALID_JSON: text };
}

/** The object without its undefined members. */
export function defined(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}

/** Marks a signature as Gemini's: providers refuse each other's. */
export const GEMINI_SIGNATURE = 'gemini:';
