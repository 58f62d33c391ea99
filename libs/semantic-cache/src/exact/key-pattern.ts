/** What an operator wants gone. Empty means everything. */
export interface ClearFilter {
  /**
   * Glob (`*`, `?`) over the readable part of a key: `tenant:namespace:model`, or over any one of the three.
   * Without a wildcard it must equal one of them.
   */
  readonly pattern?: string | undefined;
  readonly namespace?: string | undefined;
}

/** The filter as one regular expression over entry keys; undefined when it matches everything. */
export function keyPattern(filter: ClearFilter): string | undefined {
  if (filter.pattern === undefined && filter.namespace === undefined) return undefined;
  const namespace = filter.namespace === undefined ? '[^:]*' : escape(encoded(filter.namespace));
  if (filter.pattern === undefined) return `^[^:]*:${namespace}:[^:]*:[0-9a-f]{64}$`;
  const whole = glob(filter.pattern);
  const part = glob(filter.pattern.includes(':') ? filter.pattern : encoded(filter.pattern));
  const scoped = `(?=[^:]*:${namespace}:)`;
  return (
    `^${scoped}(?:${whole}:[0-9a-f]{64}|${whole}|${part}:[^:]*:[^:]*:[0-9a-f]{64}|` +
    `[^:]*:${part}:[^:]*:[0-9a-f]{64}|[^:]*:[^:]*:${part}:[0-9a-f]{64})$`
  );
}

/** As the key writes it, but for the wildcards. */
function encoded(text: string): string {
  return /^[\w./*?-]*$/.test(text)
    ? text
    : text.replace(/[^\w./*?-]/gu, (c) => encodeURIComponent(c));
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}

/** Runs of `*` become one: two adjacent `.*` backtrack for ever on hostile patterns. */
function glob(text: string): string {
  return text
    .replace(/\*+/g, '*')
    .split('')
    .map((c) => (c === '*' ? '[^]*?' : c === '?' ? '[^]' : escape(c)))
    .join('');
}
