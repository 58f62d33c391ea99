import { z } from 'zod';
import { knownKeys } from './known-keys.js';
import {
  allowed,
  found,
  pathText,
  suggestion,
  valueAt,
  type Path,
  type Problem,
} from './problem.js';
import { isSecretName, redacted } from './redaction.js';
import type { YamlDocument } from './yaml.document.js';

export interface Shaped<T> {
  /** The value, also when it was wrong in places that could be left out; undefined when beyond repair. */
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
}

/** Checks a document against its schema. What can be left out is, so that later checks can still speak. */
export function shape<S extends z.ZodType>(schema: S, document: YamlDocument): Shaped<z.output<S>> {
  if (document.problems.length > 0) return { value: undefined, problems: document.problems };
  const data = structuredClone(document.data);
  let result = schema.safeParse(data);
  if (!result.success && readNumbers(data, result.error.issues, document)) {
    result = schema.safeParse(data);
  }
  if (result.success) return { value: result.data, problems: [] };
  const issues = result.error.issues.flatMap(meant);
  const problems = issues.flatMap((issue) => describe(schema, issue, data, document));
  for (const issue of issues) remove(data, issue);
  return { value: schema.safeParse(data).data, problems };
}

/**
 * Of a choice between kinds of value, the faults of the one kind that was plainly meant: `perHour: -1` inside a
 * mapping is said there, not "expected unlimited or a mapping" about the whole.
 */
function meant(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const candidates = issue.errors.filter(
    (branch) => branch.length > 0 && !branch.some(isAboutTheWhole),
  );
  const [branch] = candidates;
  if (branch === undefined || candidates.length > 1) return [issue];
  return branch.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })).flatMap(meant);
}

function isAboutTheWhole({ path, code }: z.core.$ZodIssue): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value');
}

function describe(
  schema: z.ZodType,
  issue: z.core.$ZodIssue,
  data: unknown,
  document: YamlDocument,
): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path, data);
    return issue.keys.map((key) => ({
      where: document.where([...issue.path, key]),
      path: pathText([...issue.path, key]),
      message: `unknown key${suggestion(key, known)}; allowed: ${known.join(', ')}`,
    }));
  }
  const unset = document.unset(issue.path);
  const value = valueAt(data, issue.path);
  const name = String(issue.path.at(-1) ?? '');
  const near =
    issue.code === 'invalid_value' && typeof value === 'string'
      ? suggestion(value, issue.values.map(String))
      : '';
  const origin = unset.length === 0 ? '' : ` (${unset.join(', ')} is not set)`;
  return [
    {
      where: document.where(issue.path),
      path: pathText(issue.path),
      message: `${shown(value, name)}${origin}; ${allowed(issue)}${near}`,
    },
  ];
}

/** Headers are where people put tokens under any name. */
function shown(value: unknown, name: string): string {
  const secret = isSecretName(name) || name === 'headers';
  return secret && value !== undefined ? 'found ***' : found(redacted(value, name));
}

/** `maxConcurrent: ${MAX}` gives a string where a number or boolean is wanted: reads it as YAML would have. */
function readNumbers(data: unknown, issues: readonly z.core.$ZodIssue[], document: YamlDocument) {
  let changed = false;
  for (const issue of issues) {
    if (issue.code !== 'invalid_type' || !document.substituted(issue.path)) continue;
    const value = valueAt(data, issue.path);
    if (typeof value !== 'string' || value.trim() === '') continue;
    const read = issue.expected === 'boolean' ? { true: true, false: false }[value] : Number(value);
    if (read === undefined || Number.isNaN(read)) continue;
    set(data, issue.path, read);
    changed = true;
  }
  return changed;
}

function set(data: unknown, path: Path, value: unknown): void {
  const last = path.at(-1);
  const parent = valueAt(data, path.slice(0, -1));
  if (last !== undefined && typeof parent === 'object' && parent !== null) {
    Reflect.set(parent, last, value);
  }
}

function remove(data: unknown, issue: z.core.$ZodIssue): void {
  if (issue.code === 'unrecognized_keys') {
    const parent = valueAt(data, issue.path);
    if (typeof parent === 'object' && parent !== null) {
      for (const key of issue.keys) Reflect.deleteProperty(parent, key);
    }
  } else {
    set(data, issue.path, undefined);
  }
}
