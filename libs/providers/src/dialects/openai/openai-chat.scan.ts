/** What a frame of a Chat Completions stream holds, found without parsing it. */
export interface FrameFindings {
  /** Characters the model said in it; escapes count as they are written. */
  said: number;
  /** Choices that it ends. */
  finished: number;
  hasUsage: boolean;
  hasError: boolean;
  /** The frame is another one but for the text between these two parts. */
  template: FrameTemplate | undefined;
}

/** A frame with one text in it, around that text. */
export interface FrameTemplate {
  readonly head: string;
  readonly tail: string;
}

const KEYS =
  /"(content|arguments|reasoning_content|reasoning|refusal|name|finish_reason|usage|error)"\s*:\s*(["{])/g;
const BACKSLASH = 92;

/**
 * Looks for the few keys that matter. They cannot be confused with the same letters in a text, where quotes are
 * escaped. Most frames of a stream differ in one text alone, so the rest of the last one serves as a template:
 * a frame that fits it costs two comparisons.
 */
export class FrameScanner {
  #template: FrameTemplate | undefined;

  /** The result is reused by the next call. */
  readonly #found: FrameFindings = {
    said: 0,
    finished: 0,
    hasUsage: false,
    hasError: false,
    template: undefined,
  };

  scan(data: string): Readonly<FrameFindings> {
    const found = this.#found;
    found.said = 0;
    found.finished = 0;
    found.hasUsage = false;
    found.hasError = false;
    found.template = undefined;
    const template = this.#template;
    if (template !== undefined && fits(data, template)) {
      found.said = data.length - template.head.length - template.tail.length;
      found.template = template;
    } else {
      this.#search(data, found);
    }
    return found;
  }

  #search(data: string, found: FrameFindings): void {
    let texts = 0;
    let from = 0;
    let to = 0;
    KEYS.lastIndex = 0;
    for (let match = KEYS.exec(data); match !== null; match = KEYS.exec(data)) {
      const key = match[1];
      const isText = match[2] === '"';
      if (key === 'error') {
        found.hasError = true;
        continue;
      }
      if (key === 'usage') {
        found.hasUsage ||= !isText;
        continue;
      }
      if (!isText) continue;
      const start = KEYS.lastIndex;
      const end = endOfString(data, start);
      KEYS.lastIndex = end + 1;
      if (key === 'finish_reason') {
        if (end > start) found.finished++;
        continue;
      }
      texts++;
      from = start;
      to = end;
      found.said += end - start;
    }
    if (
      texts === 1 &&
      found.said > 0 &&
      found.finished === 0 &&
      !found.hasUsage &&
      !found.hasError
    ) {
      this.#template = { head: own(data.slice(0, from)), tail: own(data.slice(to)) };
    }
  }
}

/**
 * The tail begins with a quote: an earlier one may be the end of the text and the beginning of something else. Slices are
 * compared as memory, `startsWith` and `endsWith` character by character: 0.2 µs for a frame of 200, and 0.5.
 */
function fits(data: string, { head, tail }: FrameTemplate): boolean {
  const end = data.length - tail.length;
  if (end < head.length || data.indexOf('"', head.length) !== end) return false;
  const begins = data.slice(0, head.length);
  const ends = data.slice(end);
  return ends === tail && begins === head;
}

/** A text of its own: a slice of what came with it would keep that, and is slower to compare. */
function own(slice: string): string {
  return Buffer.from(slice).toString();
}

function endOfString(data: string, from: number): number {
  for (let at = data.indexOf('"', from); at !== -1; at = data.indexOf('"', at + 1)) {
    let slashes = 0;
    while (data.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at;
  }
  return data.length;
}
