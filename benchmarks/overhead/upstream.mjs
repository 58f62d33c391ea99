// A fast OpenAI-shaped upstream for benchmarks: fixed answers, optional latency and token rate.
// Latency and stream length come from its own command line, never from the request, so that all
// gateways under test see the same server. usage: upstream.mjs [latencyMs] [tokens] [tokenIntervalMs]
import { createServer } from 'node:http';

const [latencyMs = 0, tokens = 32, intervalMs = 0] = process.argv.slice(2).map(Number);

const usage = { prompt_tokens: 20, completion_tokens: tokens, total_tokens: 20 + tokens };
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
  ...Array.from({ length: tokens }, (_, i) => frame({ content: `token${i} ` })),
  frame({}, 'stop'),
  `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1_750_000_000, model: 'bench', choices: [], usage })}\n\n`,
  'data: [DONE]\n\n',
];

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const stream = Buffer.concat(chunks).includes('"stream":true');
    const reply = () => {
      if (!stream) {
        response.writeHead(200, {
          'content-type': 'application/json',
          'content-length': answer.length,
        });
        response.end(answer);
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (intervalMs === 0) {
        response.end(frames.join(''));
        return;
      }
      let at = 0;
      const timer = setInterval(() => {
        if (at < frames.length) response.write(frames[at++]);
        if (at >= frames.length) {
          clearInterval(timer);
          response.end();
        }
      }, intervalMs);
      response.on('close', () => clearInterval(timer));
    };
    if (latencyMs > 0) setTimeout(reply, latencyMs);
    else reply();
  });
});
server.keepAliveTimeout = 72_000;
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ ready: true, port: server.address().port, bytes: answer.length }));
});
