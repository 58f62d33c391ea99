import type { ChatMessage, Prompt } from '@sluice/kernel';
import { inspectAnswer } from '../../libs/routing/src/inspection/inspect-answer.js';
import { mean, randomOf, recovery } from './data.js';

/** How the synthetic weak model goes wrong, per step or per answer. Assumptions, stated with the result. */
const SLIP = 0.09; // a sum is wrong, in plain sight
const MISREAD = 0.05; // a number is copied wrong: every sum is true and the answer is not
const REFUSE = 0.03;
const CUT = 0.02;
const STRONG_RIGHT = 0.97;

interface Task {
  readonly prompt: Prompt;
  readonly length: number;
  readonly answer: ChatMessage;
  readonly weak: number;
  readonly strong: number;
}

/** The cascade on word problems with worked answers: what the inspection finds, and what that is worth. */
export function measureCascade(seeds: readonly number[], tasks: number) {
  const results = seeds.map((seed) => {
    const random = randomOf(seed + 77);
    const all = Array.from({ length: tasks }, () => taskOf(random));
    const failed = all.map((task) => (inspectAnswer(task.prompt, task.answer).ok ? 0 : 1));
    const wrong = all.filter((task) => task.weak === 0);
    const caught = all.filter((task, i) => task.weak === 0 && failed[i] === 1);
    const alarms = all.filter((task, i) => task.weak === 1 && failed[i] === 1);
    // Within equal verdicts the longer problem goes first, as the prompt-only router would.
    const cascade = recovery(
      all,
      all.map((task, i) => failed[i]! * 1000 + task.length),
    );
    const escalated = mean(failed);
    const quality = mean(all.map((task, i) => (failed[i] === 1 ? task.strong : task.weak)));
    const weak = mean(all.map((task) => task.weak));
    const strong = mean(all.map((task) => task.strong));
    return {
      weak,
      strong,
      caught: caught.length / wrong.length,
      falseAlarms: alarms.length / (all.length - wrong.length),
      escalated,
      gapRecovered: (quality - weak) / (strong - weak),
      apgrCascade: cascade.apgr,
      apgrLength: recovery(
        all,
        all.map((task) => task.length),
      ).apgr,
      apgrRandom: recovery(
        all,
        all.map(() => random()),
      ).apgr,
    };
  });
  const keys = Object.keys(results[0]!) as (keyof (typeof results)[number])[];
  return {
    tasks,
    assumptions: { SLIP, MISREAD, REFUSE, CUT, STRONG_RIGHT },
    ...(Object.fromEntries(
      keys.map((key) => [key, mean(results.map((r) => r[key]))]),
    ) as (typeof results)[number]),
  };
}

function taskOf(random: () => number): Task {
  const pick = (n: number) => Math.floor(random() * n);
  const steps = 2 + pick(4);
  let value = 5 + pick(40);
  let said = value;
  const story = [`A shop starts the day with ${value} boxes.`];
  const working: string[] = [];
  if (random() < MISREAD) said += 1 + pick(9);
  for (let step = 0; step < steps; step++) {
    const n = 2 + pick(8);
    const operator = '+-*'[pick(3)]!;
    const next = operator === '+' ? value + n : operator === '-' ? value - n : value * n;
    story.push(
      {
        '+': `Then ${n} boxes arrive.`,
        '-': `Then ${n} boxes are sold.`,
        '*': `Then its stock becomes ${n} times as large.`,
      }[operator]!,
    );
    const right = operator === '+' ? said + n : operator === '-' ? said - n : said * n;
    const stated = random() < SLIP ? right + 1 + pick(12) : right;
    working.push(`${said} ${operator} ${n} = ${stated}`);
    value = next;
    said = stated;
  }
  story.push('How many boxes are there at the end?');
  const kind = random();
  const text =
    kind < REFUSE
      ? "I'm sorry, but I can't determine this."
      : `${working.join('. ')}. The answer is ${said}.`;
  const cut = kind >= REFUSE && kind < REFUSE + CUT;
  const question = story.join(' ');
  return {
    prompt: { messages: [{ role: 'user', parts: [{ type: 'text', text: question }] }] },
    length: question.length,
    answer: {
      id: '',
      model: '',
      created: 0,
      usage: { input: 0, output: 0, cachedInput: 0, cacheWrite: 0, reasoning: 0, estimated: false },
      choices: [
        {
          index: 0,
          parts: [{ type: 'text', text: cut ? text.slice(0, text.length / 2) : text }],
          finish: cut ? 'length' : 'stop',
        },
      ],
    },
    weak: kind >= REFUSE + CUT && said === value ? 1 : 0,
    strong: random() < STRONG_RIGHT ? 1 : 0,
  };
}
