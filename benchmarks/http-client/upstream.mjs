// The fastest upstream there can be: one canned answer, or one canned stream of 50 frames.
import { createServer } from 'node:http';

const json = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1760000000,
  model: 'fast',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'word '.repeat(60) },
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 20, completion_tokens: 60, total_tokens: 80 },
});
const frame = (delta, finish_reason = null, usage = null) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1760000000, model: 'fast', choices: usage ? [] : [{ index: 0, delta, logprobs: null, finish_reason }], usage })}\n\n`;
const frames = [
  frame({ role: 'assistant', content: '' }),
  ...Array.from({ length: 50 }, () => frame({ content: ' word' })),
  frame({}, 'stop'),
  frame({}, null, { prompt_tokens: 20, completion_tokens: 50, total_tokens: 70 }),
  'data: [DONE]\n\n',
];
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (piece) => (body += piece));
  request.on('end', () => {
    if (body.includes('"stream":true')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      // Ten writes: what a network brings of fifty frames.
      for (let i = 0; i < frames.length; i += 6) response.write(frames.slice(i, i + 6).join(''));
      response.end();
    } else {
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': json.length,
      });
      response.end(json);
    }
  });
});
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
