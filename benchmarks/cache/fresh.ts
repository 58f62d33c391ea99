import { seeded, shuffled, type Pair } from './data.js';

/**
 * Pairs from templates in fields that none of the data touches (libraries, clinics, gardens, trains, cameras, parcels).
 * They were written after the last change to guards, word lists and verifier, and nothing was changed after their
 * figures were first printed: whoever changes those after reading the figures writes new templates.
 */
const SUBJECTS = {
  thing: 'orchid tripod lens hedge cello kayak bicycle tent kettle rug wardrobe lantern'.split(' '),
  place: 'Leeds Tampere Cork Ghent Porto Bergen Malmö Graz Lyon Turin Bremen Split'.split(' '),
  person: 'Okafor Lindqvist Moreau Tanaka Novak Ferreira Haddad Kowalski Brandt Silva'.split(' '),
  role: 'nurse gardener librarian conductor courier photographer plumber referee'.split(' '),
};

interface Slots {
  readonly thing: string;
  readonly other: string;
  readonly place: string;
  readonly elsewhere: string;
  readonly person: string;
  readonly someone: string;
  readonly role: string;
  readonly second: string;
  readonly n: number;
  readonly m: number;
}
type Template = readonly [cap: string, y: 0 | 1, a: (s: Slots) => string, b: (s: Slots) => string];

const TEMPLATES: readonly Template[] = [
  [
    'manners',
    1,
    (s) => `How do I clean a ${s.thing}?`,
    (s) => `Could you please tell me how to clean a ${s.thing}`,
  ],
  [
    'wording',
    1,
    (s) => `What is the best way to store a ${s.thing} over winter?`,
    (s) => `How should I store a ${s.thing} over the winter?`,
  ],
  [
    'wording',
    1,
    (s) => `Where can I rent a ${s.thing} in ${s.place}?`,
    (s) => `In ${s.place}, where could I rent a ${s.thing}?`,
  ],
  [
    'wording',
    1,
    (s) => `Do I need a permit to bring a ${s.thing} on the train to ${s.place}?`,
    (s) => `Is a permit needed for bringing a ${s.thing} on the train to ${s.place}?`,
  ],
  [
    'wording',
    1,
    (s) => `My parcel with the ${s.thing} came damaged, what can I do?`,
    (s) => `What can I do if my parcel with the ${s.thing} was damaged on arrival?`,
  ],
  [
    'typing',
    1,
    (s) => `How much does it cost to repair a ${s.thing}?`,
    (s) => `how much does it cost to repiar a ${s.thing}`,
  ],
  [
    'synonym',
    1,
    (s) => `How do I repair a broken ${s.thing}?`,
    (s) => `How do I fix a broken ${s.thing}?`,
  ],
  [
    'synonym',
    1,
    (s) => `Where can I buy a used ${s.thing}?`,
    (s) => `Where can I purchase a second-hand ${s.thing}?`,
  ],
  [
    'question form',
    1,
    (s) => `What does a ${s.role} earn in ${s.place}?`,
    (s) => `How much does a ${s.role} earn in ${s.place}?`,
  ],
  [
    'question form',
    1,
    (s) => `Explain how a ${s.thing} works`,
    (s) => `How does a ${s.thing} work?`,
  ],
  [
    'number',
    0,
    (s) => `Which ${s.thing} can I get for ${s.n} euros?`,
    (s) => `Which ${s.thing} can I get for ${s.m} euros?`,
  ],
  [
    'number',
    0,
    (s) => `Is a loan of ${s.n} books allowed in ${s.place}?`,
    (s) => `Is a loan of ${s.m} books allowed in ${s.place}?`,
  ],
  ['thing', 0, (s) => `How do I clean a ${s.thing}?`, (s) => `How do I clean a ${s.other}?`],
  [
    'thing',
    0,
    (s) => `Can I send a ${s.thing} by post to ${s.place}?`,
    (s) => `Can I send a ${s.other} by post to ${s.place}?`,
  ],
  [
    'place',
    0,
    (s) => `When does the clinic in ${s.place} open on Sundays?`,
    (s) => `When does the clinic in ${s.elsewhere} open on Sundays?`,
  ],
  [
    'person',
    0,
    (s) => `What did Dr ${s.person} publish about the ${s.thing}?`,
    (s) => `What did Dr ${s.someone} publish about the ${s.thing}?`,
  ],
  [
    'negation',
    0,
    (s) => `Which libraries in ${s.place} lend a ${s.thing}?`,
    (s) => `Which libraries in ${s.place} do not lend a ${s.thing}?`,
  ],
  [
    'opposite',
    0,
    (s) => `How do I assemble a ${s.thing}?`,
    (s) => `How do I dismantle a ${s.thing}?`,
  ],
  [
    'opposite',
    0,
    (s) => `What are the advantages of a ${s.thing}?`,
    (s) => `What are the disadvantages of a ${s.thing}?`,
  ],
  [
    'role',
    0,
    (s) => `Why did the ${s.role} sue the ${s.second}?`,
    (s) => `Why did the ${s.second} sue the ${s.role}?`,
  ],
  [
    'direction',
    0,
    (s) => `How long is the train from ${s.place} to ${s.elsewhere}?`,
    (s) => `How long is the train from ${s.elsewhere} to ${s.place}?`,
  ],
  [
    'aspect',
    0,
    (s) => `How much does a ${s.thing} cost?`,
    (s) => `How much does a ${s.thing} weigh?`,
  ],
  [
    'question word',
    0,
    (s) => `When should I water the garden in ${s.place}?`,
    (s) => `How should I water the garden in ${s.place}?`,
  ],
  [
    'detail',
    0,
    (s) => `How do I travel with a ${s.thing}?`,
    (s) => `How do I travel with a ${s.thing} and a baby?`,
  ],
  [
    'format',
    0,
    (s) => `Describe a ${s.thing} in one sentence`,
    (s) => `Describe a ${s.thing} in detail`,
  ],
];
const EACH = 12;

export function freshPairs(): Pair[] {
  const random = seeded(20_261_122);
  const two = (of: readonly string[]): readonly [string, string] => {
    const [first = '', second = ''] = shuffled(of, random);
    return [first, second];
  };
  return TEMPLATES.flatMap(([cap, y, a, b]) =>
    Array.from({ length: EACH }, (): Pair => {
      const [thing, other] = two(SUBJECTS.thing);
      const [place, elsewhere] = two(SUBJECTS.place);
      const [person, someone] = two(SUBJECTS.person);
      const [role, second] = two(SUBJECTS.role);
      const n = 2 + Math.floor(random() * 90);
      const m = n + 1 + Math.floor(random() * 9);
      const slots = { thing, other, place, elsewhere, person, someone, role, second, n, m };
      return { a: a(slots), b: b(slots), y, cap };
    }),
  );
}
