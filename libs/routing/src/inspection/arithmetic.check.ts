import { textOf, type Prompt } from '@sluice/kernel';
import { asksForNumber } from './form.checks.js';
import type { AnswerCheck, Finding } from './answer.inspection.js';
import { equationsIn } from './equation.finder.js';
import { evaluate } from './expression.js';

const MAX_TEXT = 20_000;
const NUMBER = String.raw`[-+]?\$?\d[\d,]*(?:\.\d+)?%?`;
/** A bare calculation in the prompt: "What is 12 * (3 + 4)?" */
const ASKED =
  /(?:what(?:'s| is)|calculate|compute|evaluate|solve|find)\s*:?\s*([-+*/^×÷().,\d\s]{3,200})\s*(?:[?=.]|$)/i;

/** Recomputes every equation in the answer, the answer to a bare calculation, and asks for a number where one was due. */
export const arithmeticCheck: AnswerCheck = {
  name: 'arithmetic',
  inspect: (prompt, choice) => {
    const text = textOf(choice.parts).slice(0, MAX_TEXT);
    const asked = askedCalculation(prompt);
    const wanted = asked !== undefined || asksForNumber(prompt);
    const findings: Finding[] = [];
    let checked = 0;
    for (const { expression, stated } of equationsIn(text)) {
      checked++;
      const finding = judge(expression, stated);
      if (finding !== undefined) findings.push(finding);
    }
    if (asked !== undefined && text !== '') {
      const stated = numbersOf(text);
      if (!stated.some((value) => isClose(value, asked))) {
        findings.push({ fault: 'arithmetic', detail: `expected ${asked}` });
      }
    } else if (
      wanted &&
      text !== '' &&
      !/\d|\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|none|no)\b/i.test(
        text,
      )
    ) {
      findings.push({ fault: 'no_number', detail: 'a number was asked for' });
    }
    return checked > 0 || wanted ? findings : undefined;
  },
};

function judge(expression: string, stated: string): Finding | undefined {
  const left = evaluate(expression);
  const right = toNumber(stated);
  if (left === undefined || right === undefined || isRounded(left, right, stated)) return undefined;
  // "50% of …" and "0.5 = 50%" are right in either reading.
  if (stated.includes('%') && isRounded(left * 100, right, stated)) return undefined;
  return {
    fault: 'arithmetic',
    detail: `${expression.trim().slice(0, 60)} is not ${stated.trim()}`,
  };
}

/** The value of a calculation that is the whole question; undefined for anything in words. */
function askedCalculation(prompt: Prompt): number | undefined {
  const last = prompt.messages.findLast((message) => message.role === 'user');
  if (last === undefined) return undefined;
  const text = textOf(last.parts);
  if (text.length > 300) return undefined;
  const expression = ASKED.exec(text)?.[1];
  if (expression === undefined || !/\d\s*[-+*/^×÷]\s*[(\d]/.test(expression)) return undefined;
  return evaluate(expression.replace(/[.?=\s]+$/, ''));
}

function numbersOf(text: string): number[] {
  return [...text.matchAll(new RegExp(NUMBER, 'g'))].flatMap((match) => toNumber(match[0]) ?? []);
}

function toNumber(text: string): number | undefined {
  const value = Number(text.replace(/[$,%\s]/g, ''));
  return Number.isFinite(value) ? value : undefined;
}

function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) <= Math.max(1e-9, Math.abs(b) * 1e-6) || Math.abs(a - b) < 0.005;
}

/** Right to the digits that were written down. */
function isRounded(exact: number, stated: number, text: string): boolean {
  const decimals = /\.(\d+)/.exec(text)?.[1]?.length ?? 0;
  return (
    Math.abs(exact - stated) <= 0.5 * 10 ** -decimals + 1e-9 &&
    (decimals > 0 || !Number.isInteger(exact) || exact === stated)
  );
}
