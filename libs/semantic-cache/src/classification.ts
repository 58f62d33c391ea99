import {
  lastUserMessage,
  textOf,
  type CacheControls,
  type FinishReason,
  type ChatMessage,
  type Prompt,
} from '@sluice/kernel';
import type { CacheConfig } from '@sluice/config';

export type TtlClass = 'default' | 'code' | 'planning' | 'fresh';

/** What may be done with the answer to a prompt. */
export interface CacheClass {
  /** never: not stored. exact: only the very same request hits. semantic: a re-worded one may, too. */
  readonly reach: 'never' | 'exact' | 'semantic';
  readonly reason: string;
  readonly ttl: TtlClass;
}

/** Longer questions are compared word for word only: reading two of them takes too long for a look-up. */
export const MAX_SEMANTIC_CHARS = 2000;

const POLITE =
  /^(?:(?:hi|hello|hey|please|kindly|ok(?:ay)?|now|go ahead and|(?:can|could|would|will) you(?: please)?|i(?: would|'d) like you to|i (?:want|need) you to|i (?:want|need|wish|would like|'d like) to|i'd like to|let'?s)(?:[\s,!.]+|$))+/i;
/** Verbs that do something in the world, whatever follows. */
const ACTS =
  /^(?:send|delete|cancel|transfer|pay|buy|purchase|order|book|reserve|freeze|unfreeze|lock|unlock|block|unblock|dispute|submit|publish|deploy|remove|subscribe|unsubscribe|refund|withdraw|deposit|forward|e-?mail|remind|dial|approve|reject|sign me|shut down|turn (?:on|off)|log me)\b/i;
/** Verbs that act when they are about something of the asker's, an amount or a moment. */
const MAY_ACT =
  /^(?:close|open|stop|start|move|file|raise|increase|lower|decrease|change|update|set|reset|post|call|text|message|schedule|reschedule|add|put|play|make|activate|deactivate|report|restart|run|execute|renew)\b/i;
const OWN =
  /\b(?:my|mine|our|me|us)\b|[$€£]\s?\d|\b(?:right now|immediately|at once|today|tomorrow)\b/i;
const FRESH =
  /\b(?:today|tonight|tomorrow|yesterday|now|nowadays|currently|current|latest|newest|recently|this (?:morning|afternoon|evening|week|month|year)|last (?:night|week)|right now|at the moment|as of|up[- ]to[- ]date|live score|breaking|so far|just (?:sent|made|happened)|pending|what time is it|what(?:'s| is) the (?:date|time)|weather)\b/i;
const CODE =
  /```|\b(?:function|typescript|javascript|python|java|rust|golang|c\+\+|c#|sql|regex|regexp|code|program|script|class|method|compile[rs]?|stack trace|exception|unit test|refactor|bug|api endpoint|algorithm|dockerfile|bash|html|css)\b/i;
const PLANNING =
  /\b(?:plan|roadmap|itinerary|strategy|strategies|architecture|milestones?|project schedule|curriculum|syllabus|design document|migration plan|road map)\b/i;
/** Says nothing of its own: its meaning is in what was said before. */
const FOLLOW_UP =
  /^(?:yes|no|ok(?:ay)?|sure|continue|go on|more|why(?: not)?|how(?: so| come)?|and|what about (?:it|that|this|them)|again|next|tell me more|what else|really|thanks?|thank you|explain(?: (?:it|that|this))?|(?:please )?elaborate)[\s.?!]*$/i;

export function classify(prompt: Prompt, controls: CacheControls, config: CacheConfig): CacheClass {
  const last = prompt.messages.at(-1);
  const asked = controls.mode === 'on' && controls.asked === true;
  if ((prompt.temperature ?? 0) > config.maxTemperature && !asked) return never('temperature');
  if (last === undefined) return never('empty');
  if (last.role === 'tool' || last.parts.some((part) => part.type === 'tool_result')) {
    return never('tool_result');
  }
  if (last.role !== 'user') return { reach: 'exact', reason: 'prefill', ttl: 'default' };
  const text = textOf(lastUserMessage(prompt)?.parts ?? []);
  const bare = text.trim().replace(POLITE, '');
  if (ACTS.test(bare) || (MAY_ACT.test(bare) && OWN.test(bare))) return never('action');
  if (FRESH.test(text)) return { reach: 'exact', reason: 'fresh', ttl: 'fresh' };
  const ttl: TtlClass = CODE.test(text) ? 'code' : PLANNING.test(text) ? 'planning' : 'default';
  if (bare === '') return { reach: 'exact', reason: 'no_text', ttl };
  if (text.length > MAX_SEMANTIC_CHARS) return { reach: 'exact', reason: 'long', ttl };
  if (FOLLOW_UP.test(bare)) return { reach: 'exact', reason: 'follow_up', ttl };
  if (last.parts.some((part) => part.type !== 'text')) {
    return { reach: 'exact', reason: 'attachment', ttl };
  }
  return { reach: 'semantic', reason: 'question', ttl };
}

function never(reason: string): CacheClass {
  return { reach: 'never', reason, ttl: 'default' };
}

/** Milliseconds an answer of this class lives; the caller's wish comes first. */
export function ttlOf(kind: TtlClass, controls: CacheControls, config: CacheConfig): number {
  if (controls.ttlSeconds !== undefined) return controls.ttlSeconds * 1000;
  const ttl = config.ttl[kind];
  // Classes with a life of their own keep it; the tier bounds the rest.
  return kind === 'default' ? Math.min(ttl, config.l2.ttl) : ttl;
}

const WHOLE: readonly FinishReason[] = ['stop', 'tool_calls'];

/** True when the answer is complete and worth repeating: neither cut, filtered, refused nor empty. */
export function isStorable(message: ChatMessage): boolean {
  return (
    message.choices.length > 0 &&
    message.choices.every(
      (choice) =>
        WHOLE.includes(choice.finish) &&
        choice.parts.length > 0 &&
        choice.parts.every((part) => part.type !== 'refusal') &&
        choice.parts.some((part) => part.type !== 'text' || part.text.trim() !== '') &&
        !REFUSES.test(firstText(message)),
    )
  );
}

const REFUSES =
  /^\s*(?:i(?:'m| am) (?:sorry|unable)|sorry)[^.]{0,40}\b(?:can(?:'|no)t|cannot|unable|won't)\b|^\s*(?:i (?:can(?:'|no)t|cannot|won't)|i'm not able to|as an ai\b.{0,60}\bcan(?:'|no)t)\s*(?:help|assist|comply|fulfil|provide|do that|answer|with)/i;

function firstText(message: ChatMessage): string {
  return textOf(message.choices[0]?.parts ?? []).slice(0, 200);
}

/** Tool calls are made for one text: another wording may mean other arguments. */
export function isPlainText(message: ChatMessage): boolean {
  return message.choices.every(
    (choice) =>
      choice.finish === 'stop' &&
      choice.parts.every((part) => part.type === 'text' || part.type === 'reasoning'),
  );
}
