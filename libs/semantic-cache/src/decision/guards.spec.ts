import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { vetoes, type Veto } from './guards.js';
import { read } from './reading.js';

const between = (a: string, b: string): Veto[] => vetoes(read(a), read(b));

describe('vetoes', () => {
  it.each<[Veto, string, string]>([
    ['number', 'What is 15% of 200?', 'What is 18% of 200?'],
    ['number', 'Who won the cup in 1998?', 'Who won the cup in 2002?'],
    ['number', 'Name three rivers', 'Name five rivers'],
    ['number', 'Where is order WT-44219?', 'Where is order WT-44220?'],
    ['number', 'Explain Python 3.11', 'Explain Python'],
    ['number', 'Convert $5,000 to euros', 'Convert $50,000 to euros'],
    ['symbol', 'What is 6+3?', 'What is 6-3?'],
    ['symbol', 'What is 6 * 3?', 'What is 6 / 3?'],
    ['symbol', 'What is 2^8?', 'What is 2*8?'],
    ['symbol', 'Solve 3 + 4 - 2', 'Solve 3 - 4 + 2'],
    ['symbol', 'Is x < y true?', 'Is x > y true?'],
    ['symbol', 'What is x - y?', 'What is x * y?'],
    ['symbol', 'Absolute value of -5', 'Absolute value of 5'],
    ['symbol', 'What is 5!', 'What is 5'],
    ['symbol', 'What does \u{1F600} mean?', 'What does \u{1F621} mean?'],
    ['symbol', 'Convert $5 to yen', 'Convert \u20ac5 to yen'],
    ['entity', 'How old is Barack Obama?', 'How old is George Bush?'],
    ['entity', 'How far is it from Oslo?', 'How far is it from Bergen?'],
    ['quoted', 'What does "ad hoc" mean?', 'What does "de facto" mean?'],
    ['identifier', 'What does getUserName() do?', 'What does getUserMail() do?'],
    ['identifier', 'What does `git reset` do?', 'What does `git revert` do?'],
    ['identifier', 'Use of --force', 'Use of --fast'],
    ['negation', 'Which foods are safe for dogs?', 'Which foods are not safe for dogs?'],
    ['negation', 'Why can I log in?', "Why can't I log in?"],
    ['negation', 'How do I enable two factor login?', 'How do I disable two factor login?'],
    ['negation', 'Is the gas visible?', 'Is the gas invisible?'],
    ['negation', 'What raises the interest rate?', 'What lowers the interest rate?'],
    ['negation', 'Can I be evicted with notice?', 'Can I be evicted without notice?'],
    ['negation', 'Darf ich das essen?', 'Darf ich das nicht essen?'],
    ['negation', 'Est-ce que je peux le manger ?', 'Est-ce que je ne peux pas le manger ?'],
    ['contrast', 'What is 2 plus 2?', 'What is 2 minus 2?'],
    ['contrast', 'How do I open a checking account?', 'How do I open a savings account?'],
    ['contrast', 'weather in july', 'weather in june'],
    ['contrast', 'how to install it on linux', 'how to install it on windows'],
    [
      'language',
      'What is the capital of the country?',
      'Was ist die Hauptstadt und wo ist der Fluss?',
    ],
    [
      'language',
      'what is love',
      '\u0447\u0442\u043e \u0442\u0430\u043a\u043e\u0435 \u043b\u044e\u0431\u043e\u0432\u044c',
    ],
    ['format', 'List the planets', 'List the planets as JSON'],
    ['format', 'Explain gravity briefly', 'Explain gravity in detail'],
    ['format', 'Explain gravity', 'Explain gravity in simple words'],
    ['role', 'Does the cat chase the dog?', 'Does the dog chase the cat?'],
    [
      'role',
      'How do I convert celsius into kelvin units?',
      'How do I convert kelvin into celsius units?',
    ],
    ['role', 'Is gold heavier than lead?', 'Is lead heavier than gold?'],
    ['role', 'How many km are in a mile?', 'How many miles are in a km?'],
    ['role', 'Who did Brazil beat in the final?', 'Who beat Brazil in the final?'],
    ['role', 'flights from oslo to bergen', 'flights from bergen to oslo'],
    ['role', 'Why did he leave her?', 'Why did she leave him?'],
    ['role', 'Did the wolf eat the lamb?', 'Was the wolf eaten by the lamb?'],
    ['aspect', 'Are you a teacher?', 'Were you a teacher?'],
    ['aspect', 'Who is the king of Spain?', 'Who was the king of Spain?'],
    ['aspect', 'Is she a doctor?', 'Is she becoming a doctor?'],
    ['connective', 'Should I eat fish and rice?', 'Should I eat fish or rice?'],
    ['connective', 'Should I use tabs or spaces?', 'Should I use spaces?'],
    ['connective', 'Is a whale a fish or a mammal?', 'Is a whale a fish?'],
  ])('by %s keep %j and %j apart, in both directions', (veto, a, b) => {
    expect(between(a, b)).toContain(veto);
    expect(between(b, a)).toContain(veto);
  });

  it.each([
    ['How do I reset my card pin?', 'How do I reset the pin of my card?'],
    ['What is a deadlock?', 'what is a deadlock'],
    ['How do I reset my password?', 'Please tell me how to reset my password'],
    ['Convert $5,000 to euros', 'convert $5000.00 to euros'],
    ['name two rivers', 'name 2 rivers'],
    ['What is the maximum speed?', 'What is the highest limit of speed?'],
    ['Is it impossible to leave?', 'Is it not possible to leave?'],
    ['Why did the wolf eat the lamb?', 'Why was the lamb eaten by the wolf?'],
    [
      'What is the difference between a fox and a wolf?',
      'What is the difference between a wolf and a fox?',
    ],
    ['Are tea or coffee healthier?', 'Are coffee or tea healthier?'],
    ['What is a top-up?', 'what is a top up'],
    ['Who did Ali marry?', 'Who married Ali?'],
    ['Is it a sin to lie?', 'is it a sin to lie'],
    ['Explain gravity - please', 'Explain gravity, please'],
    ['What is 401(k)?', 'what is a 401k'],
    ["What's ad hoc?", 'What is ad hoc?'],
    ['IS PARIS THE CAPITAL OF FRANCE PLEASE', 'is paris the capital of france please'],
  ])('do not keep %j and %j apart', (a, b) => {
    expect(between(a, b)).toEqual([]);
  });

  it('never speak against the same text, and are the same in both directions', () => {
    const word = fc.constantFrom(
      ...'the cat dog Paris Rome not never 15 "x y" open close checking savings and or he her getName as json by is'.split(
        ' ',
      ),
    );
    const text = fc.array(word, { maxLength: 10 }).map((words) => words.join(' '));
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(between(a, a)).toEqual([]);
        expect([...between(a, b)].sort()).toEqual([...between(b, a)].sort());
      }),
      { numRuns: 500 },
    );
  });

  it('speak up whenever a number of one text is another in the other', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        fc.pre(a !== b);
        expect(between(`What is ${a} times four?`, `What is ${b} times four?`)).toContain('number');
      }),
    );
  });
});
