import type { z } from 'zod';

/** One thing wrong with the configuration, said in one line. */
export interface Problem {
  /** `config/sluice.yaml:12` or `environment`. */
  readonly where: string;
  /** Path in the file or name of the variable: `models[0].price.input`, `PORT`. */
  readonly path: string;
  /** What was found and what is allowed. */
  readonly message: string;
}

export function problemLine(problem: Problem): string {
  return `${problem.where}: ${problem.path === '' ? '' : `${problem.path}: `}${problem.message}`;
}

/** Stops the start. Its message lists every problem, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly string[]) {
    const subject = problems.length === 1 ? 'One problem' : `${String(problems.length)} problems`;
    super(`${subject} in the configuration:\n${problems.map((line) => `  - ${line}`).join('\n')}`);
  }
}

export type Path = readonly PropertyKey[];

/** `['models', 0, 'price']` → `models[0].price`. */
export function pathText(path: Path): string {
  return path
    .map((step) => {
      if (typeof step === 'number') return `[${String(step)}]`;
      const name = String(step);
      return /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
    })
    .join('')
    .replace(/^\./, '');
}

export function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) =>
      typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined,
    root,
  );
}

/** `found "x"`; long values are cut, absent ones are said to be missing. */
export function found(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value);
  return `found ${text.length > 80 ? `${text.slice(0, 77)}…` : text}`;
}

/** What the schema allows, in words, without what was received (that is said by {@link found}). */
export function allowed(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_value':
      return `allowed: ${issue.values.map(String).join(', ')}`;
    case 'invalid_union':
      return issue.discriminator === undefined
        ? `expected ${unionBranches(issue.errors)}`
        : issue.message
            .replace(/^.*Expected '/, 'allowed: ')
            .replace(/' \| '/g, ', ')
            .slice(0, -1);
    case 'invalid_format':
      return issue.message === 'Invalid URL' ? 'expected an http or https URL' : issue.message;
    default:
      return issue.message
        .replace(/^(Invalid input|Too small|Too big): /, '')
        .replace(/, received .*$/, '')
        .replace(/^expected \w+ to (be|have) /, 'expected ');
  }
}

function unionBranches(branches: readonly (readonly z.core.$ZodIssue[])[]): string {
  const words = branches.map((issues) => {
    const [first] = issues;
    return first === undefined ? '' : allowed(first).replace(/^(expected|allowed:) /, '');
  });
  return [...new Set(words.filter((word) => word !== ''))].join(' or ');
}

/** The known name nearest to `name` by edit distance, when it is near enough to be a slip. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const limit = Math.max(2, Math.floor(name.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

export function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near === undefined ? '' : ` (did you mean "${near}"?)`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
