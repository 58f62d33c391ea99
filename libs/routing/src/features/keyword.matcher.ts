import type { RoutingConfig } from '@sluice/config';
import { GRADES, type Grade } from '@sluice/kernel';

type Keywords = RoutingConfig['keywords'];
interface Pattern {
  readonly grade: Grade;
  readonly commanded: RegExp;
  readonly anywhere: RegExp;
}

/** Where an instruction begins: at the start, after punctuation, or after words that ask for something. */
const COMMAND = String.raw`(?:^|[.!?;:,\n]\s{0,8}(?:\d{1,3}[.)]\s{0,8}|[-*]\s{0,8})?|\b(?:please|then|and|also|now|(?:can|could|would|will) you|help me(?: to)?|(?:i|we) (?:want|need)(?: you)? to|i(?:'d| would) like(?: you)? to|let's|let us)\s{1,8})(?:please\s{1,8}|kindly\s{1,8})?`;

const HEAD = 2000;
const TAIL = 1000;

/**
 * Finds the operator's keywords. A keyword that is an instruction ("Build a …", "then compare …") outranks one
 * that is only mentioned ("explain how builds work"); among equals the hardest grade wins.
 */
export class KeywordMatcher {
  readonly #patterns: readonly Pattern[];

  constructor(keywords: Keywords) {
    this.#patterns = GRADES.toReversed()
      .filter((grade) => keywords[grade].some((word) => word.trim() !== ''))
      .map((grade) => {
        const words = keywords[grade].filter((word) => word.trim() !== '').map(escaped);
        const any = String.raw`(?<![\p{L}\p{N}_])(${words.join('|')})(?![\p{L}\p{N}_])`;
        return {
          grade,
          commanded: new RegExp(COMMAND + any, 'iu'),
          anywhere: new RegExp(any, 'iu'),
        };
      });
  }

  match(text: string): { word: string; grade: Grade } | undefined {
    // Instructions stand at the head or the tail of a long message; what lies between is material.
    const sample =
      text.length <= HEAD + TAIL ? text : `${text.slice(0, HEAD)}\n${text.slice(-TAIL)}`;
    return this.#first(sample, 'commanded') ?? this.#first(sample, 'anywhere');
  }

  #first(
    text: string,
    where: 'commanded' | 'anywhere',
  ): { word: string; grade: Grade } | undefined {
    for (const pattern of this.#patterns) {
      const hit = pattern[where].exec(text)?.[1];
      if (hit !== undefined) return { word: hit.toLowerCase(), grade: pattern.grade };
    }
    return undefined;
  }
}

/** One alternative; \b knows only ASCII letters, and keywords may be in any script. */
function escaped(word: string): string {
  return word
    .trim()
    .replace(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`)
    .replace(/\s+/g, String.raw`\s+`);
}

const HINTS = new KeywordMatcher({
  complex: [
    'design',
    'architect',
    'develop',
    'migrate',
    'optimize',
    'optimise',
    'debug',
    'prove',
    'derive',
    'end-to-end',
    'production-ready',
    'from scratch',
    'distributed',
    'scalable',
    'multi-step',
    'step-by-step plan',
    'architecture',
    'write a program',
    'write an application',
    'root cause',
    'full-stack',
    'simulate',
    'formalize',
    'trade-offs',
    'tradeoffs',
  ],
  medium: [
    'summarize',
    'summarise',
    'write',
    'rewrite',
    'draft',
    'evaluate',
    'assess',
    'discuss',
    'outline',
    'critique',
    'fix',
    'pros and cons',
    'difference between',
    'differences between',
    'improve',
    'plan',
    'suggest',
    'recommend',
    'generate',
    'create',
    'calculate',
    'solve',
    'classify',
    'extract',
    'how do i',
    'how can i',
    'how would you',
    'how should',
    'compose',
    'describe how',
    'interpret',
    'why does',
    'why do',
    'why is',
    'why are',
    'estimate',
    'test cases',
    'unit test',
    'unit tests',
  ],
  simple: [
    'who',
    'when',
    'where',
    'which',
    'what',
    "what's",
    'define',
    'list',
    'name',
    'translate',
    'spell',
    'hello',
    'hi',
    'hey',
    'thanks',
    'thank you',
    'how many',
    'how much',
    'how old',
    'how far',
    'is',
    'are',
    'does',
    'do',
    'did',
    'was',
    'tell me',
    'give me',
    'convert',
    'say',
    'repeat',
    'describe',
    'ping',
    'good morning',
  ],
});

/** What common verbs say about a text in which no keyword of the operator's was met. */
export function hintOf(text: string): Grade | undefined {
  return HINTS.match(text)?.grade;
}
