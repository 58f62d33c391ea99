import type { ChatMessage, Prompt } from '@sluice/kernel';
import type { AnswerCheck, Finding, Inspection } from './answer.inspection.js';
import { arithmeticCheck } from './arithmetic.check.js';
import { codeCheck, refusalCheck, truncationCheck } from './form.checks.js';
import { schemaCheck, toolCheck } from './json.checks.js';

/** Every check an answer goes through. */
export const ANSWER_CHECKS: readonly AnswerCheck[] = [
  refusalCheck,
  truncationCheck,
  schemaCheck,
  toolCheck,
  arithmeticCheck,
  codeCheck,
];

/**
 * Looks at an answer without asking anybody: refused, cut, empty, wrong JSON, wrong tool arguments, wrong sums, hollow code.
 * `ok` means that nothing was found, not that the answer is right. Every choice must pass.
 */
export function inspectAnswer(prompt: Prompt, message: ChatMessage): Inspection {
  const findings: Finding[] = [];
  const checked = new Set<string>();
  if (message.choices.length === 0) findings.push({ fault: 'empty', detail: 'no choice' });
  for (const choice of message.choices) {
    for (const check of ANSWER_CHECKS) {
      const found = check.inspect(prompt, choice);
      if (found === undefined) continue;
      checked.add(check.name);
      findings.push(...found);
    }
  }
  return { ok: findings.length === 0, findings, checked: [...checked] };
}
