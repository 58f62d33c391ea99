/** Words as the decision sees them: lower case, one apostrophe, contractions spelled out. */

const CONTRACTIONS: readonly (readonly [RegExp, string])[] = [
  [/\bcan't\b/g, 'can not'],
  [/\bcannot\b/g, 'can not'],
  [/\bwon't\b/g, 'will not'],
  [/\bshan't\b/g, 'shall not'],
  [/\blet's\b/g, 'let us'],
  [/\b(what|who|where|when|how|why|that|there|it|he|she|here)'s\b/g, '$1 is'],
  [/\b(what|who|where|when|how|why|that|there|it|he|she)'d\b/g, '$1 would'],
  [/n't\b/g, ' not'],
  [/'re\b/g, ' are'],
  [/'ve\b/g, ' have'],
  [/'ll\b/g, ' will'],
  [/\bi'm\b/g, 'i am'],
  [/'d\b/g, ' would'],
  [/'s\b/g, ''],
];

/** ASCII without the backtick: nothing of what {@link plainText} looks for. */
const PLAIN = /^[\t\n\r -_a-~]*$/;

/** Curly quotes, exotic spaces, compatibility forms: what differs only in typing is one text. */
export function plainText(text: string): string {
  if (PLAIN.test(text)) return text;
  return (
    text
      .normalize('NFKC')
      .replace(/[\u2018\u2019\u02BC\u00B4](?=\p{L})/gu, "'")
      // Before a word it opens a piece of code; inside one it is a slip of the finger.
      .replace(/(?<=\p{L})`(?=\p{L})/gu, "'")
      .replace(/[\u201C\u201D\u201E]/g, '"')
      .replace(/[\u2010-\u2015\u2212]/g, '-')
  );
}

/** An id or a number keeps its inner punctuation (`WT-44219`, `3.5`, `401k`); words part at it.
 * Marks belong to their letter: in many scripts they are the vowels. */
const TOKEN =
  /\b\p{L}(?:\+\+|#)(?!\p{L})|\p{Sc}?\p{N}+(?:[.,:/]\p{N}+)*\p{L}*%?|\p{L}[\p{L}\p{M}]*\p{N}[\p{L}\p{M}\p{N}]*|\p{L}[\p{L}\p{M}]*(?:'\p{L}+)?/gu;
const SPELLED_ID = /\b(\p{L}{1,6})-(\p{N}+\p{L}?)\b/gu;

/** `WT-44219` as one word. */
export function joinIds(text: string): string {
  if (!text.includes('-')) return text;
  return text.replace(SPELLED_ID, '$1$2');
}

let last: { readonly text: string; readonly tokens: readonly string[] } = { text: '', tokens: [] };

/** The tokens of a text, in order. A question is asked for them three times in a row: its fingerprint, its vector, its reading. */
export function tokensOf(text: string): readonly string[] {
  if (last.text !== text) last = { text, tokens: tokenise(text) };
  return last.tokens;
}

function tokenise(text: string): readonly string[] {
  let lower = joinIds(plainText(text)).toLowerCase();
  if (lower.includes("'") || lower.includes('cannot')) {
    for (const [pattern, spelled] of CONTRACTIONS) lower = lower.replace(pattern, spelled);
  }
  if (lower.includes('(')) lower = lower.replace(/(\p{N})\((\p{L})\)/gu, '$1$2');
  return lower.match(TOKEN) ?? [];
}

/** Words that carry manners or nothing, wherever they stand. */
export const FILLERS: ReadonlySet<string> = new Set(
  'please kindly thanks thank hi hello hey dear really actually basically simply just currently truly literally definitely certainly okay ok um uh well so then'.split(
    ' ',
  ),
);

/** Words whose absence seldom changes what is asked. */
export const FUNCTION_WORDS: ReadonlySet<string> = new Set(
  (
    'a an the is are was were be been being am do does did doing have has had having can could will would shall should may might must ' +
    'i you we they it me us them my your our their its this that these those there here of to in on at for from by with about as into through over under ' +
    'and or but if while because than what which who whom whose when where why how much many any some get got tell know want need like give show explain let ' +
    'way ways good thing things possible able make go going'
  ).split(' '),
);

const IRREGULAR: ReadonlyMap<string, string> = new Map(
  (
    'stolen:steal stole:steal taken:take took:take given:give gave:give seen:see saw:see bought:buy sold:sell paid:pay sent:send made:make found:find ' +
    'kept:keep lost:lose left:leave held:hold brought:bring thought:think taught:teach caught:catch built:build spent:spend broken:break broke:break ' +
    'chosen:choose chose:choose driven:drive drove:drive eaten:eat ate:eat forgotten:forget forgot:forget written:write wrote:write known:know knew:know ' +
    'shown:show grown:grow grew:grow thrown:throw drawn:draw withdrew:withdraw withdrawn:withdraw children:child people:person men:man women:woman ' +
    'feet:foot teeth:tooth mice:mouse better:good best:good worse:bad worst:bad data:data won:win led:lead met:meet told:tell hit:hit read:read'
  )
    .split(' ')
    .map((pair) => pair.split(':') as [string, string]),
);

const stems = new Map<string, string>();

/** A light English stemmer: plural, -ing, -ed, -ly and common endings. Same word in, same stem out. */
export function stemOf(token: string): string {
  let stem = stems.get(token);
  if (stem !== undefined) return stem;
  stem = IRREGULAR.get(token) ?? cut(token);
  // Bounded, because texts come from outside.
  if (stems.size > 50_000) stems.clear();
  stems.set(token, stem);
  return stem;
}

function cut(token: string): string {
  if (token.length < 4 || /\p{N}/u.test(token)) return token;
  let w = token.replace(/'s?$/, '');
  if (w.endsWith('ies') && w.length > 4) w = `${w.slice(0, -3)}y`;
  else if (/(?:ss|sh|ch|x|z)es$/.test(w)) w = w.slice(0, -2);
  else if (w.endsWith('s') && !/(?:ss|us|is)$/.test(w)) w = w.slice(0, -1);
  for (const ending of ['ingly', 'edly', 'ing', 'ed', 'ly'] as const) {
    if (!w.endsWith(ending)) continue;
    const base = w.slice(0, -ending.length);
    if (!/[aeiouy]/.test(base) || base.length < 3) break;
    w = /([^aeiouslz])\1$/.test(base) ? base.slice(0, -1) : base;
    break;
  }
  w = w
    .replace(/i$/, 'y')
    .replace(/(?:ation|ition)$/, 'at')
    .replace(/(?:izer|ization)$/, 'iz');
  w = w
    .replace(/isation$|ise$/, 'iz')
    .replace(/ize$/, 'iz')
    .replace(/(?<=.)ment$/, '');
  return w.length > 3 && w.endsWith('e') ? w.slice(0, -1) : w;
}
