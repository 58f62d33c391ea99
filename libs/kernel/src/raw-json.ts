import { isExactNumber } from './exact-json.js';
import { scanJson, type JsonOutline } from './json-scan.js';

const FIELDS = 4;
const SPACE = 0x20;
const OPEN_BRACE = 0x7b;

/**
 * A JSON object as the caller wrote it. A caller and an upstream of one dialect understand each other best when nobody
 * retells what was said: white space, digits beyond 2^53, `1.0` and the spelling of escapes stay as they are, and only
 * the members that must differ are written anew. Cheaper than serialising the whole, too.
 */
export class RawJson {
  #bytes: Buffer | undefined;
  #unambiguous: boolean | undefined;

  /** @param bytes valid JSON of an object, UTF-8 */
  constructor(
    bytes: Buffer,
    private readonly outline: JsonOutline = scanJson(bytes),
  ) {
    this.#bytes = bytes;
  }

  /** Frees the bytes once no upstream will be asked any more: an answer may take minutes to be read. */
  release(): void {
    this.#bytes = undefined;
  }

  /**
   * The bytes with other values for some outermost members; a member that is not there yet is put at the end.
   * Undefined where the bytes do not say exactly what was parsed from them (a key stands twice, or was left out for
   * safety): an upstream that reads another of the two would be told something that nobody here has checked.
   * @param parsed what the bytes were parsed to
   * @param changes JSON values by key
   */
  with(parsed: object, changes: Readonly<Record<string, unknown>>): Buffer | undefined {
    const bytes = this.#checked(parsed);
    if (bytes === undefined) return undefined;
    const keys = Object.keys(changes);
    return keys.length === 0 ? bytes : this.#splice(bytes, keys, changes);
  }

  /** The bytes without one outermost member; undefined as {@link with}. */
  without(parsed: object, key: string): Buffer | undefined {
    const bytes = this.#checked(parsed);
    const { top } = this.outline;
    for (let at = 0; bytes !== undefined && at < top.length; at += FIELDS) {
      const [keyFrom = 0, keyTo = 0, from = 0, to = 0] = top.slice(at, at + FIELDS);
      if (keyOf(bytes, keyFrom, keyTo) !== key) continue;
      // The comma before it goes with it; the first member has only one behind.
      const before = at > 0 ? top[at - 1] : undefined;
      const next = top[at + FIELDS];
      const [, end] = trimmed(bytes, from, to);
      return before === undefined
        ? cut(bytes, keyFrom - 1, next === undefined ? end : next - 1)
        : cut(bytes, before, end);
    }
    return bytes;
  }

  #checked(parsed: object): Buffer | undefined {
    if (this.#bytes === undefined) return undefined;
    this.#unambiguous ??= membersOf(parsed) === this.outline.members;
    return this.#unambiguous ? this.#bytes : undefined;
  }

  #splice(
    bytes: Buffer,
    keys: readonly string[],
    changes: Readonly<Record<string, unknown>>,
  ): Buffer {
    const pieces: Buffer[] = [];
    const missing = new Set(keys);
    const { top } = this.outline;
    let done = 0;
    for (let at = 0; at < top.length; at += FIELDS) {
      const [keyFrom = 0, keyTo = 0, from = 0, to = 0] = top.slice(at, at + FIELDS);
      const key = keyOf(bytes, keyFrom, keyTo);
      if (!missing.delete(key)) continue;
      const [start, end] = trimmed(bytes, from, to);
      pieces.push(bytes.subarray(done, start), jsonOf(changes[key]));
      done = end;
    }
    if (missing.size > 0) {
      const last = top.at(-1);
      // An object without members has nothing but white space between its braces.
      const [, end] =
        last === undefined
          ? [0, bytes.indexOf(OPEN_BRACE) + 1]
          : trimmed(bytes, top.at(-2) ?? 0, last);
      pieces.push(bytes.subarray(done, Math.max(done, end)));
      done = Math.max(done, end);
      let comma = last === undefined ? '' : ',';
      for (const key of missing) {
        pieces.push(Buffer.from(`${comma}${JSON.stringify(key)}:`), jsonOf(changes[key]));
        comma = ',';
      }
    }
    pieces.push(bytes.subarray(done));
    return Buffer.concat(pieces);
  }
}

function cut(bytes: Buffer, from: number, to: number): Buffer {
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
}

function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null || isExactNumber(value)) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) members += membersOf(item);
    return members;
  }
  for (const key in value) members += 1 + membersOf((value as Record<string, unknown>)[key]);
  return members;
}

function keyOf(bytes: Buffer, from: number, to: number): string {
  const text = bytes.toString('utf8', from, to);
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
}

/** All of JSON's white space is at or below the space, and no value begins or ends with such a byte. */
function trimmed(bytes: Buffer, from: number, to: number): [from: number, to: number] {
  let start = from;
  let end = to;
  while (start < end && (bytes[start] ?? 0) <= SPACE) start++;
  while (end > start && (bytes[end - 1] ?? 0) <= SPACE) end--;
  return [start, end];
}

function jsonOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
