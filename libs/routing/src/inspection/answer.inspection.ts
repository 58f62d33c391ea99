import type { ChatMessage, Prompt } from '@sluice/kernel';

/** What may be wrong with an answer, found without asking anybody. */
export type Fault =
  | 'refusal'
  | 'truncated'
  | 'empty'
  | 'schema'
  | 'tool_arguments'
  | 'arithmetic'
  | 'empty_code'
  | 'no_number';

export interface Finding {
  readonly fault: Fault;
  /** For logs and decisions; holds no more of the answer than a number or a field's name. */
  readonly detail: string;
}

export interface Inspection {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** Names of the checks that had something to check: without any, `ok` only says that nothing was found. */
  readonly checked: readonly string[];
}

/** One deterministic check. To add one: a file here and a line in the catalogue. */
export interface AnswerCheck {
  readonly name: string;
  /** Undefined when there is nothing to check; otherwise what is wrong, which may be nothing. */
  inspect(prompt: Prompt, choice: ChatMessage['choices'][number]): readonly Finding[] | undefined;
}
