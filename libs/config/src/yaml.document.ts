import {
  LineCounter,
  isPair,
  isScalar,
  parseDocument,
  visit,
  type Document,
  type Node,
} from 'yaml';
import { type Path, type Problem } from './problem.js';

const REFERENCE = /\$?\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/** A YAML text as plain data, with `${NAME}` replaced, that still knows its line numbers. */
export interface YamlDocument {
  readonly file: string;
  readonly data: unknown;
  readonly problems: readonly Problem[];
  /** `file:line` of the value at `path`, or of its nearest ancestor. */
  where(path: Path): string;
  /** Names of variables without a value that the scalar at `path` refers to. */
  unset(path: Path): readonly string[];
  /** True when the scalar at `path` came whole from the environment, so that "5" may be meant as 5. */
  substituted(path: Path): boolean;
}

/**
 * `${NAME}` gives the variable's value, the empty string when it has none; `${NAME:-x}` gives x then;
 * `$${NAME}` stays as `${NAME}`. Replaced inside string values after parsing: a variable cannot add YAML.
 */
export function readYaml(file: string, text: string, env: NodeJS.ProcessEnv): YamlDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const unset = new Map<Node, string[]>();
  const whole = new Set<Node>();
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return;
      const missing: string[] = [];
      const source = node.value;
      node.value = source.replace(REFERENCE, (match, name: string, fallback?: string) => {
        if (match.startsWith('$$')) return match.slice(1);
        const value = env[name];
        if (value !== undefined && value !== '') return value;
        if (fallback === undefined) missing.push(name);
        return fallback ?? '';
      });
      if (missing.length > 0) unset.set(node, missing);
      if (node.type === 'PLAIN' || node.type === undefined) {
        if (new RegExp(`^${REFERENCE.source}$`).test(source)) whole.add(node);
      }
    },
  });
  const where = (path: Path): string => `${file}${lineOf(document, lines, path)}`;
  const problems: Problem[] = document.errors.map((error) => ({
    where: `${file}:${String(lines.linePos(error.pos[0]).line)}`,
    path: '',
    message: error.message.replace(/\s+/g, ' '),
  }));
  const data: unknown = problems.length > 0 ? undefined : (document.toJS() ?? {});
  if (problems.length === 0 && (typeof data !== 'object' || Array.isArray(data))) {
    problems.push({ where: file, path: '', message: 'expected a mapping of keys to values' });
  }
  return {
    file,
    data,
    problems,
    where,
    unset: (path) => unset.get(nodeAt(document, path) as Node) ?? [],
    substituted: (path) => whole.has(nodeAt(document, path) as Node),
  };
}

function nodeAt(document: Document, path: Path): unknown {
  return document.getIn(path as unknown[], true);
}

function lineOf(document: Document, lines: LineCounter, path: Path): string {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = document.getIn(path.slice(0, depth - 1), true) as { items?: unknown[] } | null;
    const step = path[depth - 1];
    const pair = parent?.items?.find(
      (item) => isPair(item) && isScalar(item.key) && item.key.value === step,
    );
    const node = isPair(pair) ? pair.key : nodeAt(document, path.slice(0, depth));
    const start = (node as Node | null | undefined)?.range?.[0];
    if (start !== undefined) return `:${String(lines.linePos(start).line)}`;
  }
  return '';
}
