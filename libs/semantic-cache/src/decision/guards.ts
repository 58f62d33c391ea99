import { areAntonyms, areContrasts, areSynonyms } from './lexicon.js';
import { NEGATIONS, type Reading } from './reading.js';
import { stemOf } from './words.js';

export type Veto =
  | 'number'
  | 'symbol'
  | 'entity'
  | 'quoted'
  | 'identifier'
  | 'negation'
  | 'contrast'
  | 'role'
  | 'language'
  | 'format'
  | 'aspect'
  | 'connective';

/** Why the two texts must not share an answer, whatever their similarity; empty when nothing speaks against it. */
export function vetoes(a: Reading, b: Reading): Veto[] {
  const found: Veto[] = [];
  if (!sameSet(a.numbers, b.numbers)) found.push('number');
  if (a.symbols !== b.symbols || otherCurrency(a, b)) found.push('symbol');
  if (!entitiesAgree(a, b) || !entitiesAgree(b, a)) found.push('entity');
  if (!quotesAgree(a, b) || !quotesAgree(b, a)) found.push('quoted');
  if (!identifiersAgree(a, b) || !identifiersAgree(b, a)) found.push('identifier');
  if (a.language !== b.language && a.language !== '' && b.language !== '') found.push('language');
  if (!sameSet(a.formats, b.formats)) found.push('format');
  const onlyA = without(a, b);
  const onlyB = without(b, a);
  if (turnsRound(a, b, onlyA, onlyB)) found.push('negation');
  if (contrast(onlyA, onlyB)) found.push('contrast');
  if (a.aspect !== b.aspect) found.push('aspect');
  if (connective(a) * connective(b) < 0 || choiceDropped(a, b, onlyA, onlyB)) {
    found.push('connective');
  }
  if (rolesSwapped(a, b)) found.push('role');
  return found;
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false;
  for (const item of a) if (!b.has(item)) return false;
  return true;
}

/** `$5` and `5` may be one price, `$5` and `€5` are not. */
function otherCurrency(a: Reading, b: Reading): boolean {
  return a.currencies.size > 0 && b.currencies.size > 0 && !sameSet(a.currencies, b.currencies);
}

/** Every name of one text is said in the other, in whatever case. */
function entitiesAgree(from: Reading, other: Reading): boolean {
  for (const name of from.entities) {
    if (other.vocabulary.has(name) || other.vocabulary.has(stemOf(name))) continue;
    // A common word in capitals ("NOT", "Datasets") that the other text says in another form.
    const stem = stemOf(name);
    if (other.stems.some((s) => areSynonyms(s, stem))) continue;
    return false;
  }
  return true;
}

function quotesAgree(from: Reading, other: Reading): boolean {
  if (from.quoted.size === 0) return true;
  const said = other.tokens.join(' ');
  for (const quote of from.quoted) if (!said.includes(quote)) return false;
  return true;
}

function identifiersAgree(from: Reading, other: Reading): boolean {
  for (const name of from.identifiers) {
    if (!other.text.toLowerCase().includes(name.replace(/\(\)$/, '').toLowerCase())) return false;
  }
  return true;
}

/** Stems of `from` that the other text does not say, by itself or by a synonym. */
function without(from: Reading, other: Reading): string[] {
  const alone: string[] = [];
  for (const stem of from.distinct) if (!other.vocabulary.has(stem)) alone.push(stem);
  return alone;
}

/** Each negation and each antonym turns the meaning once; two of them turn it back. */
function turnsRound(
  a: Reading,
  b: Reading,
  onlyA: readonly string[],
  onlyB: readonly string[],
): boolean {
  let turns = Math.abs(a.negations - b.negations);
  const taken = new Set<string>();
  for (const x of onlyA) {
    for (const y of onlyB) {
      if (taken.has(y) || !areAntonyms(x, y)) continue;
      // "with" and "without": counted as a negation already.
      if (NEGATIONS.has(x) || NEGATIONS.has(y)) continue;
      // "fee" may be a synonym of "charge" and "free" an antonym of it: kinder reading first.
      if (areSynonyms(x, y)) continue;
      taken.add(y);
      turns++;
      break;
    }
  }
  return turns % 2 === 1;
}

function contrast(onlyA: readonly string[], onlyB: readonly string[]): boolean {
  return onlyA.some((x) => onlyB.some((y) => areContrasts(x, y) && !areSynonyms(x, y)));
}

/** Positive for "and", negative for "or", zero for both or neither. */
function connective(of: Reading): number {
  const and = of.vocabulary.has('and');
  const or = of.vocabulary.has('or');
  return and === or ? 0 : and ? 1 : -1;
}

/** "Tea or coffee?" against "coffee?": one offers an alternative that the other does not name. */
function choiceDropped(
  a: Reading,
  b: Reading,
  onlyA: readonly string[],
  onlyB: readonly string[],
): boolean {
  const alternatives = (of: Reading, only: readonly string[]): boolean =>
    of.tokens.some((token, i) => {
      if (token !== 'or') return false;
      const named = new Set(of.stems.slice(Math.max(0, i - 2), i + 3));
      return only.some((stem) => stem !== 'or' && named.has(stem) && of.content.includes(stem));
    });
  const offers = a.vocabulary.has('or');
  if (offers === b.vocabulary.has('or')) return false;
  return offers ? alternatives(a, onlyA) : alternatives(b, onlyB);
}

const SYMMETRIC = new Set(
  'friend acquaintance married marry marri neighbor neighbour sibling cousin similar same equal related relat near close colleague roommate differ difference distinction versus vs between compar compare comparison date dating alike twin together meet rival'
    .split(' ')
    .map(stemOf),
);

/**
 * The same words in another order may swap who does what to whom. Looks only at texts of the same content:
 * elsewhere order says nothing. Between active and passive the order must turn, otherwise it must not.
 */
function rolesSwapped(a: Reading, b: Reading): boolean {
  const { roles: left } = a;
  const { roles: right } = b;
  if (left.length < 2 || left.length > 12 || left.length !== right.length) return false;
  if (a.sortedRoles !== b.sortedRoles) return false;
  if (isSymmetric(a) || isSymmetric(b)) return false;
  // "the pin of my card" and "my card pin" turn the words, not the roles.
  if (a.vocabulary.has('of') !== b.vocabulary.has('of')) return false;
  if (asksForObject(a) !== asksForObject(b)) return true;
  if (a.passive !== b.passive) {
    // Who acts stands before the verb in the one and after "by" in the other.
    const active = a.passive ? right : left;
    const passive = a.passive ? left : right;
    return active.length >= 3 && active[0] === passive[0];
  }
  return (
    exchanged(left, right) && !joinedPairsOnly(a, left, right) && !joinedPairsOnly(b, right, left)
  );
}

function isSymmetric(of: Reading): boolean {
  for (const word of of.vocabulary) if (SYMMETRIC.has(word)) return true;
  return false;
}

/** "Who did Brazil beat?" against "Who beat Brazil?" */
function asksForObject(of: Reading): boolean {
  return /^who(?:m)? (?:did|does|do)$/.test(of.tokens.slice(0, 2).join(' '));
}

/** True when two stretches of the same length change places and all else stays: x … y against y … x. */
function exchanged(left: readonly string[], right: readonly string[]): boolean {
  const moved = left.map((word, i) => (right[i] === word ? -1 : i)).filter((i) => i >= 0);
  if (moved.length === 0 || moved.length % 2 === 1 || moved.length > 6) return false;
  const half = moved.length / 2;
  // Neighbouring phrases change places in any rewording; only around a verb is it a change of roles.
  if (half > 1 && (moved[half] ?? 0) - (moved[half - 1] ?? 0) === 1) return false;
  return moved.slice(0, half).every((at, k) => {
    const to = moved[half + k] ?? -1;
    return left[at] === right[to] && left[to] === right[at];
  });
}

/** "A or B" and "B or A" are one thing: true when every change of order is inside such a pair. */
function joinedPairsOnly(of: Reading, left: readonly string[], right: readonly string[]): boolean {
  const moved = left.filter((word, i) => right[i] !== word);
  if (moved.length === 0) return true;
  const joined = new Set<string>();
  of.tokens.forEach((token, i) => {
    if (token !== 'and' && token !== 'or') return;
    for (const at of [i - 3, i - 2, i - 1, i + 1, i + 2, i + 3]) {
      const stem = of.stems[at];
      if (stem !== undefined) joined.add(stem);
    }
  });
  return moved.every((word) => joined.has(word));
}
