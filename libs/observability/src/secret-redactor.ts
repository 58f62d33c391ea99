const MASK = '***';

/** Shapes of secrets that are hidden wherever they stand in a line. Each pattern keeps its first group, if it has one. */
const SHAPES = [
  // Sluice, OpenAI, Anthropic, OpenRouter; then Groq, xAI, Hugging Face, Google, AWS.
  /\bsk-[A-Za-z0-9_-]{6,}/,
  /\b(?:gsk_|xai-|hf_|AIza)[A-Za-z0-9_-]{16,}/,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/,
  /\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*/,
  /(\b(?:Bearer|Basic)\s+)[^\s"\\,]+/,
  /(\\*"(?:proxy-)?(?:authorization|cookie|set-cookie|password|secret|x-goog-api-key|x-amz-security-token|(?:x-)?api[-_]?key)\\*"\s*:\s*\[?\s*\\*")(?:[^"\\]|\\[^"])+/,
  /([?&](?:key|api[-_]?key|access_token|token)=)[^&\s"\\]+/,
  /([a-z][a-z0-9+.-]*:\/\/)[^@/\s"]+(?=@)/,
];

/** Hides secrets in text that leaves the process: known shapes, and the exact values it was told. */
export class SecretRedactor {
  readonly #values = new Set<string>();
  #pattern = build([]);

  /** Hides these exact texts from now on, also in their JSON spelling. */
  hide(secrets: Iterable<string>): void {
    for (const secret of secrets) {
      if (secret === '') continue;
      this.#values.add(secret);
      this.#values.add(JSON.stringify(secret).slice(1, -1));
    }
    this.#pattern = build([...this.#values]);
  }

  redact(text: string): string {
    return text.replace(this.#pattern, (_match, ...groups: unknown[]) => {
      // The last two are the match's position and the whole text.
      const kept = groups.slice(0, -2).find((group) => typeof group === 'string');
      return `${typeof kept === 'string' ? kept : ''}${MASK}`;
    });
  }
}

function build(values: readonly string[]): RegExp {
  const exact = [...values]
    .sort((a, b) => b.length - a.length)
    .map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp([...exact, ...SHAPES.map((shape) => shape.source)].join('|'), 'gi');
}
