// The provider of the chaos run, in a process of its own: streams answers and keeps the true ledger.
// It bills a call in full when it arrives, and goes on writing when the gateway that asked has died.
// POST /v1/chat/completions · GET /ledger → {calls: [[tag, input, output], …]} in the order of arrival
// argv: tokens of the prompt, most milliseconds of an answer. Prints its address.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [promptTokens = 1, answerMs = 1000] = process.argv.slice(2).map(Number);
const FRAMES = 6;
/** One answer in so many ends before its maximum. */
const SHORT_EVERY = 20;
const calls: [tag: string, input: number, output: number][] = [];

interface Asked {
  readonly user: string;
  readonly max_tokens: number;
}

async function answer(asked: Asked, response: ServerResponse): Promise<void> {
  const short = calls.length % SHORT_EVERY === 0;
  const output = short ? Math.ceil(asked.max_tokens / 2) : asked.max_tokens;
  calls.push([asked.user, promptTokens, output]);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const frame = (choices: readonly object[], usage: object | null = null) =>
    response.write(
      `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'up', choices, usage })}\n\n`,
    );
  const pause = (answerMs * (0.5 + Math.random() / 2)) / FRAMES;
  for (let i = 0; i < FRAMES; i++) {
    if (i > 0) await sleep(pause);
    const content = 'word '.repeat(Math.floor(output / FRAMES));
    frame([{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }]);
  }
  frame([{ index: 0, delta: {}, finish_reason: short ? 'stop' : 'length' }]);
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: output,
    total_tokens: promptTokens + output,
  };
  frame([], usage);
  response.end('data: [DONE]\n\n');
}

const server = createServer((request, response) => {
  if (request.url === '/ledger') {
    response.end(JSON.stringify({ calls }));
    return;
  }
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => {
    const asked = JSON.parse(Buffer.concat(pieces).toString()) as Asked;
    answer(asked, response).catch(() => response.destroy());
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', 4096, () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
