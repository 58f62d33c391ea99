import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { ChatAnthropic } from '@langchain/anthropic';
import { ChatOpenAI } from '@langchain/openai';
import {
  Output,
  generateText,
  jsonSchema,
  streamText,
  tool,
  type LanguageModel,
  type ToolSet,
} from 'ai';
import { startGateway, upstreamConfig, type GatewayProcess } from '../gateway/gateway-process.js';
import { ScriptedUpstream } from '../upstream/scripted-upstream.js';
import { chatChunks, chatCompletion } from '../upstream/openai-fixtures.js';
import { framingOf } from '../dialects/framing.js';
import { golden } from '../dialects/golden.js';

// The Anthropic adapter warns of every model whose name it does not know.
globalThis.AI_SDK_LOG_WARNINGS = false;

let upstream: ScriptedUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  gateway = await startGateway({
    config: `${upstreamConfig(upstream.url)}\ncache: { enabled: false }`,
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});
afterEach(() => upstream.reset());

const recorded = golden('openai');
const calls = { json: JSON.parse(recorded.answer.toString()) };
const callFrames = framingOf(recorded)
  .split(recorded.stream)
  .slice(0, -1)
  .map(({ data }) => JSON.parse(data) as object);
const weather = tool({
  description: 'the weather of a city',
  inputSchema: jsonSchema<{ city: string }>({
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
  }),
});

// The package's own types are not written for exactOptionalPropertyTypes.
const tools = { weather } as unknown as ToolSet;

const models: [string, () => LanguageModel][] = [
  ['@ai-sdk/openai (chat)', () => openai().chat('gpt-test')],
  ['@ai-sdk/openai (responses)', () => openai().responses('gpt-test')],
  [
    '@ai-sdk/anthropic',
    () => createAnthropic({ apiKey: gateway.adminKey, baseURL: `${gateway.url}/v1` })('gpt-test'),
  ],
];
function openai() {
  return createOpenAI({ apiKey: gateway.adminKey, baseURL: `${gateway.url}/v1` });
}

describe.each(models)('the AI SDK with %s', (_, model) => {
  it('generates text', async () => {
    upstream.always({ json: chatCompletion({ content: 'Good day.' }) });
    const result = await generateText({ model: model(), prompt: 'hi', maxRetries: 0 });
    expect(result.text).toBe('Good day.');
    expect(result.finishReason).toBe('stop');
    expect(result.usage.inputTokens).toBeGreaterThan(0);
  });

  it('streams text', async () => {
    upstream.always({ sse: chatChunks({ pieces: ['Good day', ' to you.'] }) });
    const result = streamText({ model: model(), prompt: 'hi', maxRetries: 0 });
    let text = '';
    for await (const piece of result.textStream) text += piece;
    expect(text).toBe('Good day to you.');
    expect(await result.finishReason).toBe('stop');
  });

  it('calls tools, whole and streamed', async () => {
    upstream.always({ json: calls.json });
    const whole = await generateText({
      model: model(),
      prompt: 'hi',
      tools,
      maxRetries: 0,
    });
    expect(whole.toolCalls.map((call) => call.input)).toEqual([{ city: 'Oslo' }, { city: 'Rome' }]);
    upstream.always({ sse: callFrames });
    const streamed = streamText({
      model: model(),
      prompt: 'hi',
      tools,
      maxRetries: 0,
    });
    await streamed.consumeStream();
    expect((await streamed.toolCalls).map((call) => call.input)).toEqual([
      { city: 'Oslo' },
      { city: 'Rome' },
    ]);
  });

  it('raises what the gateway refuses', async () => {
    upstream.always({
      status: 400,
      json: {
        error: { message: 'no such thing', type: 'invalid_request_error', param: null, code: null },
      },
    });
    await expect(generateText({ model: model(), prompt: 'hi', maxRetries: 0 })).rejects.toThrow(
      'no such thing',
    );
  });
});

describe.each(models.slice(0, 2))('the AI SDK with %s', (_, model) => {
  it('generates an object', async () => {
    upstream.always({ json: chatCompletion({ content: '{"city":"Oslo"}' }) });
    const schema = jsonSchema<{ city: string }>({
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    });
    const result = await generateText({
      model: model(),
      prompt: 'hi',
      output: Output.object({ schema }),
      maxRetries: 0,
    });
    expect(result.output).toEqual({ city: 'Oslo' });
    expect(upstream.requests[0]!.json.response_format.type).toBe('json_schema');
  });
});

describe('LangChain', () => {
  const chats: [string, () => ChatOpenAI | ChatAnthropic][] = [
    [
      '@langchain/openai',
      () =>
        new ChatOpenAI({
          model: 'gpt-test',
          apiKey: gateway.adminKey,
          configuration: { baseURL: `${gateway.url}/v1` },
          maxRetries: 0,
        }),
    ],
    [
      '@langchain/anthropic',
      () =>
        new ChatAnthropic({
          model: 'gpt-test',
          apiKey: gateway.adminKey,
          anthropicApiUrl: gateway.url,
          maxTokens: 500,
          maxRetries: 0,
        }),
    ],
  ];

  it.each(chats)('with %s invokes, streams and calls tools', async (_, chat) => {
    upstream.always({ json: chatCompletion({ content: 'Good day.' }) });
    expect((await chat().invoke('hi')).text).toBe('Good day.');
    upstream.always({ sse: chatChunks({ pieces: ['Good day', ' to you.'] }) });
    let text = '';
    for await (const piece of await chat().stream('hi')) text += piece.text;
    expect(text).toBe('Good day to you.');
    upstream.always({ json: calls.json });
    const bound = chat().bindTools([
      {
        type: 'function',
        function: {
          name: 'weather',
          description: 'w',
          parameters: { type: 'object', properties: { city: { type: 'string' } } },
        },
      },
    ]);
    const called = await bound.invoke('hi');
    expect(called.tool_calls?.map(({ args }) => args)).toEqual([
      { city: 'Oslo' },
      { city: 'Rome' },
    ]);
  });
});
