// The settings in which the gateway is measured, and the requests that bring them about.
const PROMPT =
  'Summarise in one sentence why a gateway in front of language models should be fast. Call number ';

export const configYaml = (upstreamUrl, overrides = '') => `
providers:
  - { id: bench, kind: openai, baseUrl: "${upstreamUrl}/v1", auth: none, maxConcurrent: 512 }
models:
  - id: bench
    provider: bench
    price: { input: 0.15, output: 0.60 }
    contextTokens: 128000
    maxOutputTokens: 4096
    grade: simple
    capabilities: [tools, json]
  - id: bench-large
    provider: bench
    price: { input: 3, output: 15 }
    contextTokens: 128000
    maxOutputTokens: 4096
    grade: complex
    capabilities: [tools, json]
${overrides}`;

export const policiesYaml = `
tiers:
  anonymous: { requests: { perHour: 1000000000, burstPerMinute: 1000000000 } }
  bench: { requests: { perHour: 1000000000, burstPerMinute: 1000000000 }, tokens: { perDay: 1000000000000, perMonth: 1000000000000 }, budget: { monthlyUsd: 1000000 }, priority: 1 }
  admin: { priority: 3 }
system: { budget: { monthlyUsd: 10000000 } }
`;

const chat = (text, extra = {}) =>
  JSON.stringify({
    model: 'bench',
    messages: [{ role: 'user', content: text }],
    max_tokens: 256,
    ...extra,
  });

let unique = Date.now();
export const bodies = {
  fixed: () => chat(PROMPT),
  unique: () => chat(PROMPT + unique++),
  stream: () => chat(PROMPT + unique++, { stream: true }),
  auto: () => chat(PROMPT + unique++, { model: 'auto' }),
  /** The same words with other casing and punctuation: never the same bytes, always the same question. */
  rephrased: (i) => {
    const words = 'how do i reset the password of my account on this site please'.split(' ');
    const shout = i & 0x7ff;
    return chat(
      words.map((w, k) => ((shout >> k) & 1 ? w.toUpperCase() : w)).join(' ') +
        '?'.repeat(1 + (i % 3)),
    );
  },
};

/** name → how to ask. `cache: off` and `x-sluice-cache` are the public switches of the gateway. */
export const SETTINGS = [
  {
    name: 'pass-through',
    body: bodies.unique,
    headers: { 'x-sluice-cache': 'off' },
    yardstick: 'forwarder',
  },
  { name: 'governed miss', body: bodies.unique, headers: {}, yardstick: 'forwarder' },
  { name: 'auto', body: bodies.auto, headers: {}, yardstick: 'forwarder' },
  { name: 'stream', body: bodies.stream, headers: {}, yardstick: 'forwarder', stream: true },
  { name: 'exact hit', body: bodies.fixed, headers: {}, yardstick: 'static' },
  { name: 'semantic hit', body: bodies.rephrased, headers: {}, yardstick: 'static' },
];
