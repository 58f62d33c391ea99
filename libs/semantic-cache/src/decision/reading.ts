import { numbersOf } from './numbers.js';
import { FILLERS, FUNCTION_WORDS, joinIds, plainText, stemOf, tokensOf } from './words.js';

/** What one text says, as far as the decision reads it. */
export interface Reading {
  readonly text: string;
  readonly tokens: readonly string[];
  /** One for each token. */
  readonly stems: readonly string[];
  /** The stems, each once. */
  readonly distinct: ReadonlySet<string>;
  /** Stems that carry content, in order. */
  readonly content: readonly string[];
  /** The text without case, punctuation, manners and spelling of contractions: equal means the same question. */
  readonly bare: string;
  readonly numbers: ReadonlySet<string>;
  /** Operators and pictures in order: no token holds them, and `6+3` is not `6-3`. */
  readonly symbols: string;
  readonly currencies: ReadonlySet<string>;
  readonly entities: ReadonlySet<string>;
  readonly quoted: ReadonlySet<string>;
  readonly identifiers: ReadonlySet<string>;
  readonly negations: number;
  readonly language: string;
  readonly formats: ReadonlySet<string>;
  readonly passive: boolean;
  readonly questionWord: string;
  /** Being, becoming and having been are different questions. */
  readonly aspect: string;
  /** What may play a part, in order: content words and gendered pronouns. */
  readonly roles: readonly string[];
  /** The same in alphabetical order, as one text. */
  readonly sortedRoles: string;
  /** Every stem and token, for "does the other text say it at all". */
  readonly vocabulary: ReadonlySet<string>;
}

export const NEGATIONS: ReadonlySet<string> = new Set(
  'not no never without none neither nor nobody nothing nowhere except unless excluding hardly lack'.split(
    ' ',
  ),
);
/** Of other languages: words that mean something else in English count only where the language is known. */
const FOREIGN_NEGATIONS: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  (
    [
      ['de', 'nicht kein keine keinen keinem keiner nie niemals niemand nichts ohne'],
      ['fr', 'pas jamais sans aucun aucune rien personne ni'],
      ['es', 'nunca jamás sin ningún ninguna ninguno nada nadie ni tampoco'],
      ['it', 'non mai senza nessun nessuno nessuna niente nulla né'],
      ['pt', 'não nunca jamais sem nenhum nenhuma nada ninguém nem'],
      ['nl', 'niet geen nooit niemand niets zonder'],
    ] as const
  ).map(([code, words]) => [code, new Set(words.split(' '))]),
);
const FORMATS: readonly (readonly [string, RegExp])[] = [
  ['json', /\bjson\b/i],
  ['yaml', /\bya?ml\b/i],
  ['xml', /\bxml\b/i],
  ['csv', /\bcsv\b/i],
  ['html', /\bhtml\b/i],
  ['markdown', /\bmarkdown\b/i],
  ['table', /\b(?:as|in) a table\b|\btable format\b|\btabular\b/i],
  ['list', /\b(?:bullet(?:ed)?|numbered)(?: points?| list)?\b|\bas a list\b|\blist format\b/i],
  ['poem', /\b(?:poem|haiku|limerick|sonnet|rhyme)\b/i],
  [
    'short',
    /\b(?:briefly|in brief|brief|short(?:ly)?|concise(?:ly)?|in (?:a|one) (?:word|sentence|line)|one[- ](?:word|sentence|line)|summar(?:y|ise|ize)|tl;?dr)\b/i,
  ],
  [
    'long',
    /\b(?:in detail|detailed|at length|in[- ]depth|thorough(?:ly)?|comprehensive|essay|long answer)\b/i,
  ],
  [
    'simple',
    /\b(?:eli5|like i(?:'m| am) (?:five|5)|(?:for|to) (?:a )?(?:child|children|kids?|beginners?|dummies)|in simple (?:words|terms)|layman)\b/i,
  ],
  ['steps', /\bstep[- ]by[- ]step\b/i],
  ['code', /\bcode (?:only|example|sample|snippet)\b|\bonly (?:the )?code\b/i],
];
const LANGUAGES: readonly (readonly [string, ReadonlySet<string>])[] = (
  [
    [
      'en',
      'the is are what how do does can you my of to and in for with why when which it this that not',
    ],
    [
      'de',
      'der die das und ist wie was ich kann mein nicht ein eine zu mit für auf wo warum wann welche',
    ],
    [
      'fr',
      'le la les est que comment je puis mon ma des une pour avec pourquoi quand où quel quelle pas',
    ],
    [
      'es',
      'el los las es que cómo como puedo mi una para con por qué cuándo dónde cuál no del está',
    ],
    [
      'it',
      'il lo gli è che come posso mio mia una per con perché quando dove quale non della sono',
    ],
    ['pt', 'os as é que como posso meu minha uma para com por quando onde qual não do da está'],
    ['nl', 'het een is wat hoe ik kan mijn van voor met waarom wanneer waar welke niet en de'],
  ] as const
).map(([code, words]) => [code, new Set(words.split(' '))]);
const SCRIPTS: readonly (readonly [string, RegExp])[] = [
  ['cyrillic', /\p{Script=Cyrillic}/u],
  ['han', /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}/u],
  ['hangul', /\p{Script=Hangul}/u],
  ['arabic', /\p{Script=Arabic}/u],
  ['hebrew', /\p{Script=Hebrew}/u],
  ['devanagari', /\p{Script=Devanagari}/u],
  ['greek', /\p{Script=Greek}/u],
  ['thai', /\p{Script=Thai}/u],
];
/** Mathematical signs and pictures wherever they stand; what is punctuation, too, only where it computes. */
const SYMBOL =
  /\p{Sm}|\^|(?![\u00A9\u00AE\u00B0\u2122])\p{So}|(?<=[\p{N})]\s{0,2}|\s\p{L}\s{0,2})[-*/%](?=\s{0,2}(?:[\p{N}(]|\p{L}\b))|(?<![\p{L}\p{N}])-(?=[.\p{N}])|(?<=\p{N})!/gu;
/** What a text without is not searched for: most questions have none of these, and each of the searches takes a microsecond. */
const MAY_HAVE_SYMBOL = /[-+<=>|~^*/%!]|[^\0-\x7f]/;
const MAY_HAVE_IDENTIFIER = /[`_/-]|\(\)|\.[a-zA-Z_]|[a-z][A-Z]/;
const MAY_HAVE_FORMAT = new RegExp(FORMATS.map(([, { source }]) => source).join('|'), 'i');
const MAY_HAVE_ASPECT = /who was|becoming|use|former|were you|simultaneously|same time/;
const FOREIGN_LETTER = /[^\0-\x7f]/;
const BE = /\b(?:is|are|was|were|be|been|being|get|gets|got)\b/i;
const QUESTION =
  /\b(?:how (?:much|many|long|often|far|old|fast)|what|who|whom|whose|where|when|why|which|how)\b/i;
const IDENTIFIER =
  /`([^`\n]+)`|\b[a-z][a-zA-Z0-9]*[a-z][A-Z][a-zA-Z0-9]*\b|\b\w+_\w+\b|\b[\w.]+\(\)|(?:^|\s)(?:\.{0,2}\/)[\w./-]+|\b[a-zA-Z_]\w*(?:\.[a-zA-Z_]\w*)+(?=\W|$)|\B--?[a-zA-Z][\w-]*/g;

/** Reads one text. About 20 µs for a question of usual length. */
export function read(text: string): Reading {
  const plain = plainText(text).trim();
  const tokens = tokensOf(plain);
  const stems = tokens.map(stemOf);
  const content: string[] = [];
  const bare: string[] = [];
  const language = languageOf(plain, tokens);
  const foreign = FOREIGN_NEGATIONS.get(language);
  let negations = 0;
  tokens.forEach((token, i) => {
    const stem = stems[i] ?? token;
    if (!FILLERS.has(token)) {
      bare.push(token);
      if (!FUNCTION_WORDS.has(token) && !NEGATIONS.has(token)) content.push(stem);
    }
    if (NEGATIONS.has(token) || foreign?.has(token) === true) negations++;
  });
  const roles = rolesOf(tokens, stems, new Set(content));
  return {
    text,
    tokens,
    stems,
    distinct: new Set(stems),
    content,
    bare: withoutManners(bare.join(' ')),
    numbers: numbersOf(tokens),
    symbols: MAY_HAVE_SYMBOL.test(plain) ? (plain.match(SYMBOL) ?? []).join('') : '',
    currencies: setOf(plain.match(/\p{Sc}/gu)),
    entities: entitiesOf(joinIds(plain)),
    quoted: plain.includes('"')
      ? new Set([...plain.matchAll(/"([^"]{1,200})"/g)].map((m) => tokensOf(m[1] ?? '').join(' ')))
      : NOTHING,
    identifiers: MAY_HAVE_IDENTIFIER.test(plain)
      ? new Set([...plain.matchAll(IDENTIFIER)].map((m) => (m[1] ?? m[0]).trim()))
      : NOTHING,
    negations,
    language,
    formats: MAY_HAVE_FORMAT.test(plain)
      ? new Set(FORMATS.filter(([, pattern]) => pattern.test(plain)).map(([name]) => name))
      : NOTHING,
    passive: /\bby\b/i.test(plain) && BE.test(plain),
    questionWord: (QUESTION.exec(plain)?.[0] ?? '').toLowerCase(),
    aspect: aspectOf(tokens.join(' ')),
    roles,
    sortedRoles: [...roles].sort().join(' '),
    vocabulary: new Set([...tokens, ...stems]),
  };
}

const NOTHING: ReadonlySet<string> = new Set();

function setOf(found: readonly string[] | null): ReadonlySet<string> {
  return found === null ? NOTHING : new Set(found);
}

function aspectOf(said: string): string {
  if (!MAY_HAVE_ASPECT.test(said)) return '';
  // Who is the champion is not who was; elsewhere the past is often told in the present.
  if (/^who was\b/.test(said)) return 'past';
  if (/\b(?:is|are|am) \w+(?: \w+)? becoming\b|\bbecoming an?\b/.test(said)) return 'becoming';
  if (/\bused? to be\b|\bformer(?:ly)?\b|\bwere you an?\b/.test(said)) return 'former';
  if (/\bsimultaneously\b|\bat the same time\b/.test(said)) return 'both';
  return '';
}

const PRONOUNS = new Map([
  ['he', '<he>'],
  ['him', '<he>'],
  ['his', '<he>'],
  ['she', '<she>'],
  ['her', '<she>'],
  ['hers', '<she>'],
]);

function rolesOf(
  tokens: readonly string[],
  stems: readonly string[],
  content: ReadonlySet<string>,
): string[] {
  const found: string[] = [];
  tokens.forEach((token, i) => {
    const stem = stems[i] ?? token;
    const pronoun = PRONOUNS.get(token);
    if (pronoun !== undefined) found.push(pronoun);
    else if (content.has(stem) && token !== 'by') found.push(stem);
  });
  return found;
}

/** Phrases of manners that frame a request and change nothing. */
function withoutManners(bare: string): string {
  return bare
    .replace(/^(?:(?:can|could|would|will) you )?(?:tell|give) me (?=(?:the|an?) )/, 'what is ')
    .replace(
      /^(?:(?:can|could|would|will) you(?: (?:tell|explain|show|give) (?:to )?me)?|tell me|i (?:would|want|need) (?:like )?to know|do you know|i (?:was|am) wondering|give me) /,
      '',
    )
    .replace(/ (?:in advance|for me|if you can|if possible)$/, '')
    .replace(/^(?:what is|what are) /, 'what is ')
    .replace(/^how (?:(?:do|does|can|could|would) (?:i|we|you|one)|to) /, 'how to ');
}

/** Words that are capitalised for another reason than being a name. */
const CAPITALISED_ANYWAY = new Set(['i', 'ok', 'faq', 'mr', 'mrs', 'ms', 'dr', 'vs', 'a']);

/** Names: capitalised words inside a sentence. A text in capitals has none that we could tell. */
function entitiesOf(plain: string): Set<string> {
  const found = new Set<string>();
  const words = plain.match(/\p{L}[\p{L}\p{N}']*/gu) ?? [];
  const capitalised = words.filter(isCapitalised).length;
  if (capitalised === 0 || (words.length > 5 && capitalised > words.length * 0.8)) return found;
  let end = 0;
  for (const word of words) {
    // Between two words there is no letter: here it stands.
    const at = plain.indexOf(word, end);
    end = at + word.length;
    if (!isCapitalised(word)) continue;
    const before = plain.slice(0, at).trimEnd();
    const lower = word.toLowerCase().replace(/'s$/, '');
    // Ids are compared as numbers.
    if (/\p{N}/u.test(word)) continue;
    if (CAPITALISED_ANYWAY.has(lower) || /'(?:m|d|ll|ve)$/.test(lower)) continue;
    const startsSentence = before === '' || /[.?!:"\n]$/.test(before);
    // A name may open the sentence too, but so may any word: then only capitals throughout prove it.
    if (startsSentence && !/^\p{Lu}{2,}$/u.test(word)) continue;
    if (/^NOT$|^NO$|^NEVER$/.test(word)) continue;
    found.add(lower);
  }
  return found;
}

function isCapitalised(word: string): boolean {
  const code = word.charCodeAt(0);
  return code < 0x80 ? code >= 0x41 && code <= 0x5a : /^\p{Lu}/u.test(word);
}

function languageOf(plain: string, tokens: readonly string[]): string {
  if (FOREIGN_LETTER.test(plain)) {
    for (const [name, pattern] of SCRIPTS) if (pattern.test(plain)) return name;
  }
  let best = '';
  let most = 1;
  for (const [code, words] of LANGUAGES) {
    let hits = 0;
    for (const token of tokens) if (words.has(token)) hits++;
    if (hits > most) {
      most = hits;
      best = code;
    }
  }
  return best;
}
