// The yardstick: bare Fastify + undici, doing nothing but forwarding. usage: forwarder.mjs UPSTREAM_URL
// POST /static answers the upstream's bytes from memory: the yardstick for cache hits.
import Fastify from 'fastify';
import { Pool } from 'undici';

const pool = new Pool(process.argv[2], { connections: 256 });
const app = Fastify();
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
  done(null, body),
);
let stored = Buffer.from('{}');

async function forward(request, reply) {
  const upstream = await pool.request({
    path: request.url,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: request.body,
  });
  reply.header('content-type', upstream.headers['content-type']);
  if (String(upstream.headers['content-type']).startsWith('text/event-stream'))
    return upstream.body;
  stored = Buffer.from(await upstream.body.arrayBuffer());
  return stored;
}

app.post('/v1/chat/completions', forward);
app.post('/:profile/v1/chat/completions', forward);
app.post('/static', async (_request, reply) => {
  reply.header('content-type', 'application/json; charset=utf-8');
  return stored;
});
await app.listen({ host: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ ready: true, port: app.server.address().port }));
