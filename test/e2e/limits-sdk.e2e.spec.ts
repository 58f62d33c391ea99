import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { startGateway, upstreamConfig, type GatewayProcess } from '../gateway/gateway-process.js';
import { chatCompletion } from '../upstream/openai-fixtures.js';
import { ScriptedUpstream } from '../upstream/scripted-upstream.js';

const POLICIES = `
tiers:
  narrow: { tokens: { perDay: 1200 } }
  admin: {}
throttle: { queue: { maxWait: 0ms } }
`;
let upstream: ScriptedUpstream;
let gateway: GatewayProcess;
/** Lets the slow call of the running test be answered. */
let release: () => void = () => undefined;
beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  gateway = await startGateway({ policies: POLICIES, config: upstreamConfig(upstream.url) });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});
beforeEach(() => {
  const released = new Promise<void>((resolve) => (release = resolve));
  upstream.always(async ({ text }) => {
    if (text.includes('slow')) await released;
    return { json: chatCompletion() };
  });
});

/** A fetch that notes the status and the hint of each answer. */
function noted() {
  const answers: { status: number; retryAfter: string | null }[] = [];
  const noting: typeof fetch = async (...args) => {
    const response = await fetch(...args);
    answers.push({ status: response.status, retryAfter: response.headers.get('retry-after') });
    // Refused once: from now on there is room, and the next try succeeds.
    if (response.status === 429) release();
    return response;
  };
  return { answers, fetch: noting };
}

/** Starts a call that holds; resolves when it does, with its end. */
async function held(apiKey: string): Promise<{ readonly end: Promise<unknown> }> {
  const client = new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  const slow = client.chat.completions.create({
    model: 'gpt-test',
    max_completion_tokens: 1100,
    messages: [{ role: 'user', content: 'Be slow.' }],
  });
  const headers = { authorization: `Bearer ${apiKey}` };
  for (;;) {
    const usage = (await (await fetch(`${gateway.url}/v1/usage`, { headers })).json()) as {
      limits: { reserved: number }[];
    };
    if (usage.limits.some(({ reserved }) => reserved > 1000)) return { end: slow };
  }
}

it.each(['openai', 'anthropic'])(
  'the SDK of %s waits as it is told while others hold what is left, and gets its answer',
  async (kind) => {
    const apiKey = await gateway.createKey('narrow', { owner: kind });
    const { end } = await held(apiKey);
    const { answers, fetch: noting } = noted();
    const messages = [{ role: 'user' as const, content: `Quick, ${kind}.` }];
    const call = { model: 'gpt-test', max_tokens: 300, messages };
    if (kind === 'openai') {
      const client = new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, fetch: noting });
      await client.chat.completions.create(call);
    } else {
      const client = new Anthropic({ apiKey, baseURL: gateway.url, fetch: noting });
      await client.messages.create(call);
    }
    await end;
    expect(answers[0]).toEqual({ status: 429, retryAfter: expect.stringMatching(/^[12]$/) });
    expect(answers.at(-1)?.status).toBe(200);
    expect(answers).toHaveLength(2);
  },
);
