// A fast OpenAI-shaped upstream for benchmarks. How it behaves is part of the URL that a gateway is configured with,
// never of the request, so that every gateway under test sees the same server:
//   /v1          answers at once, a stream in one write
//   /fixed/v1    answers after 20 ms
//   /sampled/v1  answers after a time drawn from a log-normal distribution, median 20 ms, p99 about 75 ms
//   /paced/v1    streams: first token after 10 ms, then one every 5 ms (200 a second)
import { createServer } from 'node:http';

const TOKENS = 32;
const FIXED_MS = 20;
const SAMPLED = { median: 20, sigma: 0.6 };
const PACED = { firstMs: 10, everyMs: 5 };

const usage = { prompt_tokens: 20, completion_tokens: TOKENS, total_tokens: 20 + TOKENS };
const answer = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1_750_000_000,
    model: 'bench',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'The answer is forty-two. '.repeat(8),
          refusal: null,
        },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage,
  }),
);
const frame = (delta, finish = null) =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 1_750_000_000,
    model: 'bench',
    choices: [{ index: 0, delta, finish_reason: finish }],
    usage: null,
  })}\n\n`;
const frames = [
  frame({ role: 'assistant', content: '' }),
  ...Array.from({ length: TOKENS }, (_, i) => frame({ content: `token${i} ` })),
  frame({}, 'stop'),
  `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1_750_000_000, model: 'bench', choices: [], usage })}\n\n`,
  'data: [DONE]\n\n',
];
const wholeStream = frames.join('');

/** mulberry32: the same latencies in every run. */
let seed = 42;
function random() {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

/** Quantiles of the distribution in a shuffled order, again and again: two sides of 100 calls each get the same. */
const quantiles = Array.from({ length: 10_000 }, () => {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return SAMPLED.median * Math.exp(SAMPLED.sigma * normal);
})
  .sort((a, b) => a - b)
  .filter((_, i) => i % 100 === 50)
  .map((ms) => ({ ms, place: random() }))
  .sort((a, b) => a.place - b.place);
let drawn = 0;
const sampledMs = () => quantiles[drawn++ % quantiles.length].ms;

const delays = { fixed: () => FIXED_MS, sampled: sampledMs, paced: () => PACED.firstMs };

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const profile = request.url.split('/')[1];
    const stream = Buffer.concat(chunks).includes('"stream":true');
    const delay = delays[profile]?.() ?? 0;
    const reply = () => (stream ? sendStream(response, profile) : sendAnswer(response));
    if (delay > 0) setTimeout(reply, delay);
    else reply();
  });
});

function sendAnswer(response) {
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': answer.length,
  });
  response.end(answer);
}

function sendStream(response, profile) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  if (profile !== 'paced') {
    response.end(wholeStream);
    return;
  }
  let at = 0;
  const next = () => {
    response.write(frames[at++]);
    if (at < frames.length) return;
    clearInterval(timer);
    response.end();
  };
  const timer = setInterval(next, PACED.everyMs);
  next();
  response.on('close', () => clearInterval(timer));
}

server.keepAliveTimeout = 72_000;
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ ready: true, port: server.address().port }));
});
