import { afterEach, describe, expect, it } from '@jest/globals';
import type { FastifyReply } from 'fastify';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { clientSignal } from './client-signal.js';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function received(): Promise<{
  client: Socket;
  response: ServerResponse;
  reply: FastifyReply;
}> {
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const asked = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  const [, response] = await asked;
  return { client, response, reply: { raw: response } as unknown as FastifyReply };
}

describe('the signal that the client has left', () => {
  it('is given when the connection goes before the answer', async () => {
    const { client, response, reply } = await received();
    const signal = clientSignal(reply);
    expect(signal.aborted).toBe(false);
    client.destroy();
    await once(response, 'close');
    expect(signal.aborted).toBe(true);
  });

  it('has been given where the connection went before anybody asked', async () => {
    const { client, response, reply } = await received();
    client.destroy();
    await once(response, 'close');
    expect(clientSignal(reply).aborted).toBe(true);
  });

  it('is not given for a client that has its answer', async () => {
    const { client, response, reply } = await received();
    const signal = clientSignal(reply);
    response.end('whole');
    await once(response, 'finish');
    client.destroy();
    if (!response.closed) await once(response, 'close');
    expect(signal.aborted).toBe(false);
  });
});
