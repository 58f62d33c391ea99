import type { GatewayProcess } from '../../test/gateway/gateway-process.js';
import { promptOf, WHOLE, type Fault } from './plan.js';

export interface Ask {
  readonly id: string;
  readonly fault: Fault;
  readonly stream: boolean;
  readonly model: 'bad' | 'auto';
}

/** What the client saw. */
export interface Seen extends Ask {
  readonly status: number;
  readonly text: string;
  /** It got at least one token. */
  readonly began: boolean;
  /** Finish reason and, on streams, [DONE]; the whole text. */
  readonly whole: boolean;
  /** A status other than 200, or an error frame. */
  readonly failed: boolean;
  readonly input: number;
  readonly output: number;
  readonly costMicroUsd: number;
}

interface Body {
  readonly choices?: readonly {
    readonly message?: { readonly content?: string };
    readonly delta?: { readonly content?: string };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
  readonly sluice?: { readonly cost_usd?: number };
  readonly error?: unknown;
}

/** One call over HTTP, read to its end like any client reads it. */
export async function ask(gateway: GatewayProcess, call: Ask): Promise<Seen> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${gateway.adminKey}`,
      'content-type': 'application/json',
      'x-sluice-usage': 'true',
    },
    body: JSON.stringify({
      model: call.model,
      stream: call.stream,
      ...(call.stream ? { stream_options: { include_usage: true } } : {}),
      messages: [{ role: 'user', content: promptOf(call.id, call.fault) }],
    }),
  });
  // A connection that the gateway cuts is what a silent truncation would look like.
  const raw = await answer.text().catch(() => '');
  const bodies = call.stream && answer.status === 200 ? framesOf(raw) : [parsed(raw)];
  const text = bodies.map(textOf).join('');
  const usage = bodies.findLast((body) => body.usage !== undefined && body.usage !== null)?.usage;
  const finished = bodies.some((body) => body.choices?.[0]?.finish_reason === 'stop');
  const cost = bodies.findLast((body) => body.sluice?.cost_usd !== undefined)?.sluice?.cost_usd;
  const header = answer.headers.get('x-sluice-cost-usd');
  return {
    ...call,
    status: answer.status,
    text,
    began: text !== '',
    whole: text === WHOLE && finished && (!call.stream || raw.includes('data: [DONE]')),
    failed: answer.status !== 200 || bodies.some((body) => body.error !== undefined),
    input: usage?.prompt_tokens ?? 0,
    output: usage?.completion_tokens ?? 0,
    costMicroUsd: Math.round(Number(cost ?? header ?? 0) * 1e6),
  };
}

/** All of them, `width` at a time, in order. */
export async function askAll(
  gateway: GatewayProcess,
  calls: readonly Ask[],
  width: number,
): Promise<Seen[]> {
  const seen: Seen[] = [];
  const queue = calls.values();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const call of queue) seen.push(await ask(gateway, call));
    }),
  );
  return seen;
}

function framesOf(raw: string): Body[] {
  return raw
    .split('\n\n')
    .map((event) => /^data: (.*)$/m.exec(event)?.[1] ?? '')
    .filter((data) => data.startsWith('{'))
    .map(parsed);
}

function textOf({ choices }: Body): string {
  const choice = choices?.[0];
  return choice?.message?.content ?? choice?.delta?.content ?? '';
}

function parsed(text: string): Body {
  try {
    return JSON.parse(text) as Body; // what an OpenAI client would take it for
  } catch {
    return { error: 'not JSON' };
  }
}
