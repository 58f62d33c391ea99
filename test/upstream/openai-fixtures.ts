/** Bodies as OpenAI's chat completions API sends them. */

export interface FixtureUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details?: { readonly cached_tokens: number };
  readonly completion_tokens_details?: { readonly reasoning_tokens: number };
}

export const FIXTURE_USAGE: FixtureUsage = {
  prompt_tokens: 9,
  completion_tokens: 2,
  total_tokens: 11,
};

export function chatCompletion(
  parts: {
    readonly model?: string;
    readonly content?: string | null;
    readonly message?: object;
    readonly finish?: string;
    readonly usage?: FixtureUsage | undefined;
  } = {},
): Record<string, unknown> {
  return {
    id: 'chatcmpl-scripted',
    object: 'chat.completion',
    created: 1_760_000_000,
    model: parts.model ?? 'scripted',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: parts.content === undefined ? 'Hello world' : parts.content,
          refusal: null,
          ...parts.message,
        },
        logprobs: null,
        finish_reason: parts.finish ?? 'stop',
      },
    ],
    usage: 'usage' in parts ? parts.usage : FIXTURE_USAGE,
    system_fingerprint: 'fp_scripted',
  };
}

/** The chunks of a streamed answer: role, one per piece, finish, usage. `[DONE]` is written by the server. */
export function chatChunks(
  parts: {
    readonly model?: string;
    readonly pieces?: readonly string[];
    readonly finish?: string;
    /** Null for an upstream that reports none. */
    readonly usage?: FixtureUsage | null;
  } = {},
): Record<string, unknown>[] {
  const chunk = (choices: readonly object[], usage: FixtureUsage | null) => ({
    id: 'chatcmpl-scripted',
    object: 'chat.completion.chunk',
    created: 1_760_000_000,
    model: parts.model ?? 'scripted',
    system_fingerprint: 'fp_scripted',
    choices,
    usage,
  });
  const step = (delta: object, finish: string | null = null) =>
    chunk([{ index: 0, delta, logprobs: null, finish_reason: finish }], null);
  const usage = parts.usage === undefined ? FIXTURE_USAGE : parts.usage;
  return [
    step({ role: 'assistant', content: '', refusal: null }),
    ...(parts.pieces ?? ['Hello', ' world']).map((content) => step({ content })),
    step({}, parts.finish ?? 'stop'),
    ...(usage === null ? [] : [chunk([], usage)]),
  ];
}
