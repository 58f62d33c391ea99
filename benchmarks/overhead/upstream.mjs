// A fast OpenAI-shaped upstream for benchmarks. How it behaves is part of the URL that a gateway is configured with,
// never of the request, so that every gateway under test sees the same server:
//   /v1          answers at once, a stream in one write
//   /fixed/v1    answers after 20 ms
//   /sampled/v1  answers after a time drawn from a log-normal distribution, median 20 ms, p99 about 75 ms
//   /paced/v1    streams: first token after 10 ms, then one every 5 ms (200 a second)
// What it answers depends on the question, letter case and punctuation apart. Were it always the same, a semantic cache would learn, and
// rightly, that one answer does for all.
import { createServer } from 'node:http';

const TOKENS = 32;
const FIXED_MS = 20;
const SAMPLED = { median: 20, sigma: 0.6 };
const PACED = { firstMs: 10, everyMs: 5 };

/** Ten digits in the place of these. */
const NUMBER = '##########';
const usage = { prompt_tokens: 20, completion_tokens: TOKENS, total_tokens: 20 + TOKENS };
const answer = parted(
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
          content: `The answer is ${NUMBER}. ${'It is as simple as that. '.repeat(7)}`,
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
  ...Array.from({ length: TOKENS }, (_, i) =>
    frame({ content: i === 0 ? `${NUMBER} ` : `token${i} ` }),
  ),
  frame({}, 'stop'),
  `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1_750_000_000, model: 'bench', choices: [], usage })}\n\n`,
  'data: [DONE]\n\n',
];
const wholeStream = parted(frames.join(''));

/** The bytes before and after the number. */
function parted(text) {
  const [before, after] = text.split(NUMBER);
  return [Buffer.from(before), Buffer.from(after)];
}

/** FNV-1a of the letters of the last message. */
function numberOf(body) {
  const content = body.slice(body.lastIndexOf('"content":"') + 11);
  let hash = 0x811c9dc5;
  for (let i = 0; i < content.length && content[i] !== '"'; i++) {
    const code = content.charCodeAt(i) | 32;
    if (code >= 97 && code <= 122) hash = Math.imul(hash ^ code, 0x01000193);
  }
  return String(hash >>> 0).padStart(NUMBER.length, '0');
}

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
    const body = Buffer.concat(chunks).toString();
    const stream = body.includes('"stream":true');
    const delay = delays[profile]?.() ?? 0;
    const number = numberOf(body);
    const reply = () =>
      stream ? sendStream(response, profile, number) : sendAnswer(response, number);
    if (delay > 0) setTimeout(reply, delay);
    else reply();
  });
});

function sendAnswer(response, number) {
  const whole = Buffer.concat([answer[0], Buffer.from(number), answer[1]]);
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': whole.length,
  });
  response.end(whole);
}

function sendStream(response, profile, number) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  if (profile !== 'paced') {
    response.end(Buffer.concat([wholeStream[0], Buffer.from(number), wholeStream[1]]));
    return;
  }
  let at = 0;
  const next = () => {
    response.write(frames[at++].replace(NUMBER, number));
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
