import { hash } from 'node:crypto';
import { textOf, type ChatCall, type Part } from '@sluice/kernel';
import { canonicalJson, canonicalObject } from '../exact/canonical-json.js';
import { numberOf, numbersOf } from '../decision/numbers.js';
import { tokensOf } from '../decision/words.js';
import { IRRELEVANT_FIELDS } from '../exact/request-key.js';

/** What the semantic tier compares by meaning, and what must be equal beside it. */
export interface Question {
  /** The last user message. */
  readonly text: string;
  /** The user turns before it, newest last; empty in the first turn. */
  readonly context: string;
  readonly scope: string;
  readonly fingerprint: string;
  /** A digest of everything but the numbers in the text; absent where it has none. */
  readonly frame?: number;
  /** Key of the exact entry: its readable part serves clearing, its digest names the point. */
  readonly key: string;
}

/** The conversation and its instructions are compared in their neutral form, temperature in steps. */
const COMPARED_ELSEWHERE: ReadonlySet<string> = new Set([
  ...IRRELEVANT_FIELDS,
  'messages',
  'input',
  'prompt',
  'system',
  'instructions',
  'contents',
  'temperature',
]);
const CONTEXT_TURNS = 4;
const CONTEXT_CHARS = 4000;

export function questionOf(call: ChatCall, scope: string, key: string, version: number): Question {
  const { prompt } = call;
  const said = prompt.messages.filter((m) => m.role === 'user').map((m) => textOf(m.parts));
  const text = said.pop() ?? '';
  const before = prompt.messages.findLast((m) => m.role === 'assistant');
  const fingerprint = hash(
    'sha256',
    JSON.stringify([
      version,
      call.dialect,
      call.model,
      call.unsupported,
      call.cache.namespace ?? '',
      canonicalJson(call.forwardHeaders),
      prompt.messages
        .filter((m) => m.role === 'system' || m.role === 'developer')
        .map((m) => textOf(m.parts)),
      // Pictures, files, tool calls and their results, wherever they stand.
      canonicalJson(
        prompt.messages.map((m) => m.parts.filter(notText)).filter((p) => p.length > 0),
      ),
      prompt.messages.flatMap((m) => (m.name === undefined ? [] : [[m.role, m.name]])),
      // "Explain that" is about what was answered, which two conversations of the same questions need not share.
      before !== undefined && pointsBack(text) ? textOf(before.parts) : null,
      prompt.temperature === undefined ? null : Math.round(prompt.temperature * 5),
      canonicalObject(call.body, COMPARED_ELSEWHERE),
    ]),
    'hex',
  ).slice(0, 32);
  return {
    text,
    context: said.slice(-CONTEXT_TURNS).join('\n').slice(-CONTEXT_CHARS),
    scope,
    key,
    ...withNumbers(`${scope}/${fingerprint}`, fingerprint, tokensOf(text)),
  };
}

/**
 * Numbers are a part of what must be equal: a template that is asked with another number each time would fill every search with
 * neighbours that a guard refuses when both texts have been read.
 */
function withNumbers(
  scoped: string,
  fingerprint: string,
  tokens: readonly string[],
): Pick<Question, 'fingerprint' | 'frame'> {
  const numbers = numbersOf(tokens);
  if (numbers.size === 0) return { fingerprint };
  const frame = tokens.map((token) => (numberOf(token) === undefined ? token : '#')).join(' ');
  return {
    fingerprint: digest(`${fingerprint}\n${[...numbers].sort().join('\n')}`).slice(0, 32),
    frame: Number.parseInt(digest(`${scoped}\n${frame}`).slice(0, 8), 16),
  };
}

function digest(text: string): string {
  return hash('sha256', text, 'hex');
}

function notText(part: Part): boolean {
  return part.type !== 'text' && part.type !== 'reasoning';
}

/** A UUID made from an entry key: the same request replaces its own point. */
export function pointId(key: string): string {
  const d = hash('sha256', key, 'hex');
  return `${d.slice(0, 8)}-${d.slice(8, 12)}-8${d.slice(13, 16)}-a${d.slice(17, 20)}-${d.slice(20, 32)}`;
}

const POINTS_BACK =
  /\b(?:it|its|that|this|they|them|their|those|these|he|him|his|she|her|one|ones|there|same|other|another|else|former|latter|above|previous|instead)\b|^(?:and|but|so|or|what about|how about)\b/i;

function pointsBack(text: string): boolean {
  return POINTS_BACK.test(text) || text.split(/\s+/).length < 4;
}

/** How alike two contexts must be: a question that points back means nothing without its own. */
export function contextGate(text: string): number {
  return pointsBack(text) ? 0.8 : 0.3;
}
