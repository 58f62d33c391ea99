import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { EventStreamCodec } from '@smithy/core/event-streams';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

let gateway: GatewayProcess;
const servers: Server[] = [];
const asked: { path: string; body: any }[] = [];
let toolFails = false;

async function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<string> {
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function bodyOf(request: IncomingMessage): Promise<any> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const text = Buffer.concat(pieces).toString();
  return text === '' ? undefined : JSON.parse(text);
}

/** A real MCP server over streamable HTTP whose one tool answers a prompt. */
async function mcp(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const server = new McpServer({ name: 'answers', version: '1.0.0' });
  server.registerTool(
    'answer',
    { description: 'answers', inputSchema: { prompt: z.string() } },
    async ({ prompt }) =>
      toolFails
        ? { isError: true, content: [{ type: 'text', text: 'the tool is broken' }] }
        : { content: [{ type: 'text', text: `tool says: ${prompt}` }] },
  );
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined as never });
  response.on('close', () => void transport.close());
  await server.connect(transport);
  await transport.handleRequest(request, response, await bodyOf(request));
}

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString(),
  (text) => Buffer.from(text),
);
function frame(type: string, payload: object): Uint8Array {
  return codec.encode({
    headers: {
      ':message-type': { type: 'string', value: 'event' },
      ':event-type': { type: 'string', value: type },
      ':content-type': { type: 'string', value: 'application/json' },
    },
    body: Buffer.from(JSON.stringify(payload)),
  });
}

/** Answers as Amazon Bedrock does for Converse and ConverseStream. */
async function bedrock(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = decodeURIComponent(request.url ?? '');
  asked.push({ path, body: await bodyOf(request) });
  if (!path.endsWith('-stream')) {
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        output: { message: { role: 'assistant', content: [{ text: 'Good day.' }] } },
        stopReason: 'end_turn',
        usage: { inputTokens: 7, outputTokens: 3, totalTokens: 10 },
        metrics: { latencyMs: 1 },
      }),
    );
    return;
  }
  response.setHeader('content-type', 'application/vnd.amazon.eventstream');
  for (const [type, payload] of [
    ['messageStart', { role: 'assistant' }],
    ['contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Good ' } }],
    ['contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'day.' } }],
    ['contentBlockStop', { contentBlockIndex: 0 }],
    ['messageStop', { stopReason: 'end_turn' }],
    [
      'metadata',
      { usage: { inputTokens: 7, outputTokens: 3, totalTokens: 10 }, metrics: { latencyMs: 1 } },
    ],
  ] as const) {
    response.write(frame(type, payload));
  }
  response.end();
}

beforeAll(async () => {
  const [mcpUrl, bedrockUrl] = [await listen(mcp), await listen(bedrock)];
  gateway = await startGateway({
    config: `
providers:
  - { id: tools, kind: mcp, url: "${mcpUrl}/mcp", tool: answer }
  - { id: aws, kind: bedrock, region: us-east-1, endpoint: "${bedrockUrl}" }
models:
  - { id: tool-model, provider: tools, price: { input: 0, output: 0 }, retries: 0, hybrid: titan }
  - { id: titan, provider: aws, upstream: amazon.titan-v1, price: { input: 1, output: 2 }, contextTokens: 8000, maxOutputTokens: 1000, grade: simple, retries: 0 }
`,
    env: { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'test' },
  });
});
afterAll(async () => {
  await gateway.stop();
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});

async function ask(model: string, content: string, stream = false): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-sluice-cache': 'off' },
    body: JSON.stringify({ model, stream, max_tokens: 50, messages: [{ role: 'user', content }] }),
  });
}

describe('a model answered by a tool of an MCP server', () => {
  it('gives the tool’s text as the answer', async () => {
    const response = await ask('tool-model', 'how high is it?');
    const json = (await response.json()) as any;
    expect([response.status, json.error?.message]).toEqual([200, undefined]);
    expect(json.choices[0].message.content).toContain('tool says:');
    expect(json.choices[0].message.content).toContain('how high is it?');
    expect(response.headers.get('x-sluice-provider')).toBe('tools');
  });

  it('falls over to the model itself when the tool fails', async () => {
    toolFails = true;
    const response = await ask('tool-model', 'and now?');
    toolFails = false;
    expect(((await response.json()) as any).choices[0].message.content).toBe('Good day.');
    expect(response.headers.get('x-sluice-provider')).toBe('aws');
  });
});

describe('a model of Amazon Bedrock', () => {
  it('is asked through Converse, with its usage counted', async () => {
    const response = await ask('titan', 'hello');
    const json = (await response.json()) as any;
    expect(json.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'Good day.' },
    });
    expect(json.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 3 });
    const last = asked.at(-1)!;
    expect(last.path).toBe('/model/amazon.titan-v1/converse');
    expect(last.body).toMatchObject({
      messages: [{ role: 'user', content: [{ text: 'hello' }] }],
      inferenceConfig: { maxTokens: 50 },
    });
  });

  it('streams through ConverseStream', async () => {
    const text = await (await ask('titan', 'hello again', true)).text();
    const words = [...text.matchAll(/"content":"([^"]*)"/g)].map(([, word]) => word).join('');
    expect(words).toBe('Good day.');
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(asked.at(-1)!.path).toBe('/model/amazon.titan-v1/converse-stream');
  });
});
