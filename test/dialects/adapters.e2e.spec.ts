import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ChatCall, ChatChunk } from '@sluice/kernel';
import { MessageAssembler } from '@sluice/kernel';
import { BedrockAdapter } from '../../libs/providers/src/adapters/bedrock/bedrock.adapter.js';
import { McpAdapter } from '../../libs/providers/src/adapters/mcp/mcp.adapter.js';
import type { ProviderAnswer } from '../../libs/providers/src/provider-adapter.js';
import { BedrockServer, bedrockEvent } from '../upstream/bedrock-server.js';
import { AnsweringMcpServer } from '../upstream/mcp-server.js';
import { callOf, target } from './world.js';

const ask = (content: string, extra: Record<string, unknown> = {}): ChatCall =>
  callOf('openai-chat', { model: 'm', messages: [{ role: 'user', content }], ...extra });
const patient = (): AbortSignal => new AbortController().signal;

async function collect(answer: ProviderAnswer): Promise<ChatChunk[]> {
  if (answer.kind !== 'stream') throw new Error('not a stream');
  const chunks: ChatChunk[] = [];
  for await (const chunk of answer.chunks) chunks.push(chunk);
  return chunks;
}

describe('Bedrock', () => {
  const model = target('anthropic.claude-sonnet-4-5-v1:0');
  const usage = { inputTokens: 60, outputTokens: 30, totalTokens: 130, cacheReadInputTokens: 40 };
  let server: BedrockServer;
  let adapter: BedrockAdapter;
  const before = { ...process.env };

  beforeAll(async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'secret' });
    server = await BedrockServer.start();
    adapter = new BedrockAdapter({
      id: 'aws',
      region: 'us-east-1',
      endpoint: server.url,
      timeout: 20_000,
      connectTimeout: 20_000,
      firstTokenTimeout: 20_000,
      idleTimeout: 1000,
      maxConcurrent: 4,
    });
  });
  afterAll(async () => {
    await adapter.close();
    await server.close();
    process.env = before;
  });
  afterEach(() => {
    server.requests.length = 0;
  });

  it('answers through Converse, with tools and thoughts', async () => {
    server.script = {
      json: {
        output: {
          message: {
            role: 'assistant',
            content: [
              { reasoningContent: { reasoningText: { text: 'hm', signature: 'sig' } } },
              { text: 'Looking.' },
              { toolUse: { toolUseId: 't1', name: 'weather', input: { city: 'Oslo' } } },
            ],
          },
        },
        stopReason: 'tool_use',
        usage,
        metrics: { latencyMs: 5 },
      },
    };
    const tools = [
      { type: 'function', function: { name: 'weather', parameters: { type: 'object' } } },
    ];
    const answer = await adapter.chat(ask('hi', { tools, max_tokens: 50 }), model, patient());
    if (answer.kind !== 'message') throw new Error('not a message');
    expect(answer.message.choices[0]).toEqual({
      index: 0,
      parts: [
        { type: 'reasoning', text: 'hm', signature: 'sig' },
        { type: 'text', text: 'Looking.' },
        { type: 'tool_call', id: 't1', name: 'weather', arguments: '{"city":"Oslo"}' },
      ],
      finish: 'tool_calls',
    });
    expect(answer.message.usage).toMatchObject({ input: 100, cachedInput: 40, output: 30 });
    const [request] = server.requests;
    expect(request!.path).toBe('/model/anthropic.claude-sonnet-4-5-v1%3A0/converse');
    expect(request!.headers.authorization).toMatch(/^AWS4-HMAC-SHA256/);
    expect(request!.body).toMatchObject({
      messages: [{ role: 'user', content: [{ text: 'hi' }] }],
      inferenceConfig: { maxTokens: 50 },
      toolConfig: { tools: [{ toolSpec: { name: 'weather' } }] },
    });
  });

  it('keeps the digits of a large number in a tool call', async () => {
    const input = '{"lat":59.9,"id":12345678901234567890,"list":[1,-2]}';
    const use = `{"toolUseId":"t1","name":"weather","input":${input}}`;
    server.script = {
      text: `{"output":{"message":{"role":"assistant","content":[{"toolUse":${use}}]}},"stopReason":"tool_use"}`,
    };
    const answer = await adapter.chat(ask('hi'), model, patient());
    expect(answer).toMatchObject({
      message: { choices: [{ parts: [{ type: 'tool_call', arguments: input }] }] },
    });
  });

  const opening = [
    bedrockEvent('messageStart', { role: 'assistant' }),
    bedrockEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Look' } }),
    bedrockEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'ing.' } }),
  ];

  it('streams through ConverseStream', async () => {
    server.script = {
      events: [
        ...opening,
        bedrockEvent('contentBlockStart', {
          contentBlockIndex: 1,
          start: { toolUse: { toolUseId: 't1', name: 'weather' } },
        }),
        bedrockEvent('contentBlockDelta', {
          contentBlockIndex: 1,
          delta: { toolUse: { input: '{"city":' } },
        }),
        bedrockEvent('contentBlockDelta', {
          contentBlockIndex: 1,
          delta: { toolUse: { input: '"Oslo"}' } },
        }),
        bedrockEvent('messageStop', { stopReason: 'tool_use' }),
        bedrockEvent('metadata', { usage, metrics: { latencyMs: 5 } }),
      ],
    };
    const answer = await adapter.chat(ask('hi', { stream: true }), model, patient());
    const assembler = new MessageAssembler();
    for (const chunk of await collect(answer)) assembler.add(chunk);
    expect(assembler.message()).toMatchObject({
      model: 'anthropic.claude-sonnet-4-5-v1:0',
      choices: [
        {
          parts: [
            { type: 'text', text: 'Looking.' },
            { type: 'tool_call', id: 't1', name: 'weather', arguments: '{"city":"Oslo"}' },
          ],
          finish: 'tool_calls',
        },
      ],
      usage: { input: 100, output: 30 },
    });
    expect(answer.kind === 'stream' && answer.usage()).toMatchObject({ input: 100, output: 30 });
  });

  it.each([
    ['a stream that ends early', { events: opening }, 'upstream_error'],
    [
      'an exception inside a stream',
      { events: [...opening, bedrockEvent('throttlingException', { message: 'slow down' })] },
      'rate_limited',
    ],
    ['a stream that falls silent', { events: opening, hang: true }, 'upstream_timeout'],
  ])('never takes %s for a whole answer', async (_, script, code) => {
    server.script = script;
    const answer = await adapter.chat(ask('hi', { stream: true }), model, patient());
    await expect(collect(answer)).rejects.toMatchObject({ code });
    await server.requests[0]!.closed;
  });

  it('closes the upstream when the caller leaves', async () => {
    server.script = { events: opening, hang: true };
    const leaving = new AbortController();
    const answer = await adapter.chat(ask('hi', { stream: true }), model, leaving.signal);
    if (answer.kind !== 'stream') throw new Error('not a stream');
    const chunks = answer.chunks[Symbol.asyncIterator]();
    await chunks.next();
    await chunks.return?.();
    await server.requests[0]!.closed;
  });

  it.each([
    [429, 'ThrottlingException', 'slow down', 'rate_limited'],
    [400, 'ValidationException', 'bad field', 'invalid_request'],
    [400, 'ValidationException', 'Input is too long for requested model.', 'context_too_long'],
    [403, 'AccessDeniedException', 'not yours', 'forbidden'],
    [404, 'ResourceNotFoundException', 'no model', 'model_not_found'],
    [500, 'InternalServerException', 'oops', 'upstream_error'],
  ])('says of %d %s (%s): %s', async (status, name, message, code) => {
    server.script = { status, headers: { 'x-amzn-errortype': name }, json: { message } };
    await expect(adapter.chat(ask('hi'), model, patient())).rejects.toMatchObject({
      code,
      message,
      upstream: { provider: 'aws', status },
    });
    expect(server.requests).toHaveLength(1);
  });
});

describe('MCP', () => {
  let server: AnsweringMcpServer;
  let adapter: McpAdapter;
  const config = {
    id: 'tools',
    tool: 'answer',
    argument: 'prompt',
    apiKey: 'mcp-key',
    headers: {},
    timeout: 20_000,
    connectTimeout: 20_000,
    idleTimeout: 1000,
  };

  beforeAll(async () => {
    server = await AnsweringMcpServer.start();
    adapter = new McpAdapter({ ...config, url: server.url }, async (text) => text.length);
  });
  afterAll(async () => {
    await adapter.close();
    await server.close();
  });

  it('answers with what the tool says, and records the way', async () => {
    const call = ask('hello');
    const answer = await adapter.chat(call, target('answer'), patient());
    expect(answer).toMatchObject({
      kind: 'message',
      message: {
        choices: [{ parts: [{ type: 'text', text: 'You said: hello' }], finish: 'stop' }],
        usage: { input: 5, output: 15, estimated: true },
      },
    });
    expect(call.journal.path).toBe('mcp');
    expect(server.headers.at(-1)).toBe('Bearer mcp-key');
  });

  it('tells a conversation as a transcript', async () => {
    const call = callOf('openai-chat', {
      model: 'm',
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'ho' },
        { role: 'user', content: 'and?' },
      ],
    });
    await adapter.chat(call, target('answer'), patient());
    expect(server.prompts.at(-1)).toBe(
      'system: be brief\n\nuser: hi\n\nassistant: ho\n\nuser: and?',
    );
  });

  it('streams the answer', async () => {
    const answer = await adapter.chat(ask('hello', { stream: true }), target('answer'), patient());
    const assembler = new MessageAssembler();
    for (const chunk of await collect(answer)) assembler.add(chunk);
    expect(assembler.message().choices[0]!.parts).toEqual([
      { type: 'text', text: 'You said: hello' },
    ]);
  });

  it('waits longer than its silence limit for a tool that reports progress', async () => {
    const answer = await adapter.chat(ask('slow'), target('answer'), patient());
    expect(answer.kind).toBe('message');
  });

  it('gives up on a tool that says nothing', async () => {
    await expect(adapter.chat(ask('silent'), target('answer'), patient())).rejects.toMatchObject({
      code: 'upstream_timeout',
    });
  });

  it('stops at once when the caller leaves', async () => {
    await expect(
      adapter.chat(ask('silent'), target('answer'), AbortSignal.timeout(50)),
    ).rejects.toMatchObject({ code: 'client_closed' });
  });

  it("hands on the tool's own failure, and answers again afterwards", async () => {
    await expect(adapter.chat(ask('fail'), target('answer'), patient())).rejects.toMatchObject({
      code: 'upstream_error',
      message: 'the tool broke',
    });
    expect((await adapter.chat(ask('hello'), target('answer'), patient())).kind).toBe('message');
  });

  it('says of a server that cannot be reached that the upstream failed', async () => {
    const nowhere = new McpAdapter({ ...config, url: 'http://127.0.0.1:1/mcp' }, async () => 0);
    await expect(nowhere.chat(ask('hi'), target('answer'), patient())).rejects.toMatchObject({
      code: 'upstream_error',
    });
    await nowhere.close();
  });
});
