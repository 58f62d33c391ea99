import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { startGateway, upstreamConfig, type GatewayProcess } from '../gateway/gateway-process.js';
import { chatCompletion } from '../upstream/openai-fixtures.js';
import { ScriptedUpstream } from '../upstream/scripted-upstream.js';

const POLICIES = `
tiers:
  narrow: { tokens: { perDay: 1200 } }
  poor: { budget: { monthlyUsd: 0.000001 } }
  slow: { requests: { burstPerMinute: 1 } }
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
  const answers: { status: number; retryAfter: string | null; shouldRetry: string | null }[] = [];
  const noting: typeof fetch = async (...args) => {
    const response = await fetch(...args);
    answers.push({
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      shouldRetry: response.headers.get('x-should-retry'),
    });
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

/** One call by the SDK of either house, which tries again by its own rules. */
function ask(kind: string, apiKey: string, asking: typeof fetch): Promise<unknown> {
  const messages = [{ role: 'user' as const, content: `Quick, ${kind}.` }];
  const call = { model: 'gpt-test', max_tokens: 300, messages };
  if (kind === 'openai') {
    const client = new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, fetch: asking });
    return client.chat.completions.create(call);
  }
  const client = new Anthropic({ apiKey, baseURL: gateway.url, fetch: asking });
  return client.messages.create(call);
}

it.each(['openai', 'anthropic'])(
  'the SDK of %s asks once when the budget is spent: waiting cannot help',
  async (kind) => {
    const apiKey = await gateway.createKey('poor', { owner: `poor ${kind}` });
    const { answers, fetch: noting } = noted();
    await expect(ask(kind, apiKey, noting)).rejects.toMatchObject({ status: 402 });
    expect(answers).toEqual([{ status: 402, retryAfter: null, shouldRetry: 'false' }]);
  },
);

it.each(['openai', 'anthropic'])(
  'the SDK of %s waits as long as it is told when the rate is too high',
  async (kind) => {
    const owner = `slow ${kind}`;
    const apiKey = await gateway.createKey('slow', { owner });
    const { answers, fetch: noting } = noted();
    await ask(kind, apiKey, noting);
    // What takes most of a minute is noted and not waited for: by then an administrator has let the caller through.
    const waits: number[] = [];
    const { setTimeout: realTimeout } = globalThis;
    const timer = jest.spyOn(globalThis, 'setTimeout');
    timer.mockImplementation(((work: () => void, ms: number, ...rest: []) => {
      if (ms < 30_000 || ms > 60_000) return realTimeout(work, ms, ...rest);
      waits.push(ms);
      return realTimeout(() => void lift(owner).then(work), 0);
    }) as typeof setTimeout);
    try {
      await ask(kind, apiKey, noting);
    } finally {
      timer.mockRestore();
    }
    expect(answers.map(({ status }) => status)).toEqual([200, 429, 200]);
    expect(waits).toContain(Number(answers[1]?.retryAfter) * 1000);
  },
);

async function lift(subject: string): Promise<void> {
  const until = new Date(Date.now() + 3_600_000).toISOString();
  const response = await fetch(`${gateway.url}/v1/admin/rate-limits/override`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ subject, until, unlimited: true }),
  });
  if (!response.ok) throw new Error(await response.text());
}

it.each(['openai', 'anthropic'])(
  'the SDK of %s waits as it is told while others hold what is left, and gets its answer',
  async (kind) => {
    const apiKey = await gateway.createKey('narrow', { owner: kind });
    const { end } = await held(apiKey);
    const { answers, fetch: noting } = noted();
    await ask(kind, apiKey, noting);
    await end;
    // A second, or two with jitter when the last refusal was not long ago.
    const retryAfter = expect.stringMatching(/^[1-3]$/);
    expect(answers[0]).toEqual({ status: 429, retryAfter, shouldRetry: 'true' });
    expect(answers.at(-1)?.status).toBe(200);
    expect(answers).toHaveLength(2);
  },
);
