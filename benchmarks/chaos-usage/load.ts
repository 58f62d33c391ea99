import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { PromptCounter, TokenCounter } from '@sluice/model-catalog';
import { chatChunks, chatCompletion } from '../../test/upstream/openai-fixtures.js';
import { ScriptedUpstream } from '../../test/upstream/scripted-upstream.js';

/** Micro-USD a token; whole numbers, so that no sum depends on rounding. */
const PRICE = { input: 3, output: 15 };
const TAG = /call ([0-9a-f-]{36})/;
const LATENCY_MS = 20;
const PAUSE_MS = 5;

export const MODEL = 'chaos';

/** The configuration that points gateways at the billing upstream. */
export function configOf(upstream: ScriptedUpstream): string {
  return `
providers:
  - { id: up, kind: openai, baseUrl: "${upstream.baseUrl}", auth: none }
models:
  - { id: ${MODEL}, provider: up, grade: simple, price: { input: ${PRICE.input}, output: ${PRICE.output} }, contextTokens: 128000, maxOutputTokens: 4096, capabilities: [tools, json], retries: 0 }
`;
}

export const POLICIES = `
tiers:
  anonymous: { requests: { perHour: 1000000000, burstPerMinute: 1000000000 } }
  paid: { requests: { perHour: 1000000000, burstPerMinute: 1000000000 } }
  admin: { priority: 3 }
`;

/**
 * An upstream that is never killed, and its book: what each call costs, fixed when the call arrives. It writes every answer to
 * its end and bills all of it, whether or not somebody still listens.
 */
export async function billingUpstream(): Promise<{
  readonly upstream: ScriptedUpstream;
  readonly book: ReadonlyMap<string, number>;
}> {
  const upstream = await ScriptedUpstream.start();
  const book = new Map<string, number>();
  const prompts = new PromptCounter(new TokenCounter());
  upstream.always(async (request) => {
    const tag = TAG.exec(request.text)?.[1] ?? '';
    const [{ content }] = request.json.messages;
    // As published: what a provider counts is no estimate of ours.
    const input = await prompts.countPrompt({
      messages: [{ role: 'user', parts: [{ type: 'text', text: content }] }],
    });
    const output = between(20, 60);
    const billed = {
      prompt_tokens: input,
      completion_tokens: output,
      total_tokens: input + output,
    };
    const cost = input * PRICE.input + output * PRICE.output;
    book.set(tag, (book.get(tag) ?? 0) + cost);
    const pieces = Array.from({ length: 10 }, (_, n) => `Piece ${n} of the answer. `);
    const base = { delayMs: Math.random() * LATENCY_MS };
    return request.json.stream === true
      ? { ...base, sse: chatChunks({ pieces, usage: billed }), frameDelayMs: 1 }
      : { ...base, json: chatCompletion({ content: pieces.join(''), usage: billed }) };
  });
  return { upstream, book };
}

function between(least: number, most: number): number {
  return least + Math.floor(Math.random() * (most - least));
}

export interface LoadCounts {
  /** Calls whose whole answer has reached the caller. */
  readonly answered: Set<string>;
  /** Refused with a status, among them those for whose bill there was no place. */
  readonly refused: Map<number, number>;
  /** Connections that broke, mostly by a kill. */
  broken: number;
}

/** Calls one gateway, one after another, until it is told to stop; waits while there is none. */
export async function callAgain(
  gateway: () => { readonly url: string; readonly key: string } | undefined,
  counts: LoadCounts,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    const to = gateway();
    if (to === undefined) await delay(20);
    else await callOnce(to, counts);
    await delay(PAUSE_MS);
  }
}

async function callOnce(
  { url, key }: { readonly url: string; readonly key: string },
  counts: LoadCounts,
): Promise<void> {
  const tag = randomUUID();
  const stream = Math.random() < 0.5;
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        // The event's session: by it the book and the database name the same call.
        'x-sluice-session': tag,
      },
      body: JSON.stringify({
        model: MODEL,
        max_tokens: 100,
        stream,
        messages: [{ role: 'user', content: `This is call ${tag}. Write a few words about it.` }],
      }),
    });
    const text = await response.text();
    if (response.status !== 200) {
      counts.refused.set(response.status, (counts.refused.get(response.status) ?? 0) + 1);
    } else if (!stream || text.includes('[DONE]')) counts.answered.add(tag);
  } catch {
    counts.broken += 1;
  }
}
