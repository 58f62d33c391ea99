import { GatewayError, lastUserMessage, textOf, type Prompt } from '@sluice/kernel';

export type SandboxFailure = '429' | '500' | 'timeout' | 'cut';

/** What `[[sandbox …]]` in the last user message asks for. */
export interface SandboxDirective {
  /** Milliseconds to the first token. */
  readonly latency?: number;
  /** Length of the answer. */
  readonly tokens?: number;
  /** Tokens per second. */
  readonly rate?: number;
  readonly fail?: SandboxFailure;
  /** Tokens that a stream brings before it fails. */
  readonly after?: number;
  /** Only so many calls with the same prompt fail. */
  readonly repeat?: number;
}

const DIRECTIVE = /\[\[sandbox((?:\s+[^\s\]]+)*)\s*\]\]/;
const MOST_TOKENS = 100_000;
const LONGEST_LATENCY = 600_000;

const READERS: Readonly<
  Record<keyof SandboxDirective, (value: string) => number | string | undefined>
> = {
  latency: (value) => {
    const match = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(value);
    if (match === null) return undefined;
    return upTo(LONGEST_LATENCY, Number(match[1]) * (match[2] === 's' ? 1000 : 1));
  },
  tokens: (value) => upTo(MOST_TOKENS, whole(value)),
  rate: (value) => {
    const rate = whole(value.replace(/\/s$/, ''));
    return rate === 0 ? undefined : rate;
  },
  fail: (value) => (['429', '500', 'timeout', 'cut'].includes(value) ? value : undefined),
  after: whole,
  repeat: whole,
};

/** @throws GatewayError invalid_request for a key or value it does not know: a typing error must not pass as success */
export function directiveOf(prompt: Prompt): SandboxDirective {
  const message = lastUserMessage(prompt);
  const match = message === undefined ? null : DIRECTIVE.exec(textOf(message.parts));
  const directive: Record<string, number | string> = {};
  for (const pair of match?.[1]?.trim().split(/\s+/) ?? []) {
    if (pair === '') continue;
    const [key = '', value = ''] = pair.split('=', 2);
    const reader = Object.hasOwn(READERS, key) ? READERS[key as keyof SandboxDirective] : undefined;
    const read = reader?.(value);
    if (read === undefined) {
      throw new GatewayError(
        'invalid_request',
        `The sandbox directive '${pair.slice(0, 60)}' is not one of latency=200ms tokens=40 rate=100/s fail=429|500|timeout|cut after=10 repeat=2.`,
        { param: 'messages' },
      );
    }
    directive[key] = read;
  }
  return directive;
}

function whole(value: string): number | undefined {
  return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

function upTo(limit: number, value: number | undefined): number | undefined {
  return value !== undefined && value <= limit ? value : undefined;
}
