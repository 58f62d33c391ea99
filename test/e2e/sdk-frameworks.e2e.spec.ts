import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { ChatAnthropic } from '@langchain/anthropic';
import type { AIMessage, AIMessageChunk, UsageMetadata } from '@langchain/core/messages';
import { concat } from '@langchain/core/utils/stream';
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
import { startGateway, type GatewayProcess } from '../gateway/gateway-process.js';
import {
  ScriptedUpstream,
  type RecordedRequest,
  type Script,
} from '../upstream/scripted-upstream.js';
import {
  chatAnswer,
  messagesAnswer,
  responsesAnswer,
  type Said,
} from '../upstream/answer-fixtures.js';
import { chatChunks, chatCompletion } from '../upstream/openai-fixtures.js';
import { framingOf } from '../dialects/framing.js';
import { golden } from '../dialects/golden.js';

// The Anthropic adapter warns of every model whose name it does not know.
globalThis.AI_SDK_LOG_WARNINGS = false;

const MODEL =
  'price: { input: 1, output: 2 }, contextTokens: 128000, maxOutputTokens: 16384, capabilities: [tools, vision, json, reasoning], retries: 0';

let upstream: ScriptedUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  gateway = await startGateway({
    config: `
providers:
  - { id: open, kind: openai, baseUrl: "${upstream.url}/v1", auth: none }
  - { id: claude, kind: anthropic, baseUrl: "${upstream.url}", apiKey: k }
models:
  - { id: gpt-test, provider: open, ${MODEL} }
  - { id: claude-test, provider: claude, ${MODEL} }
  # A name that the AI SDK knows: it then asks for objects by schema and not by a tool.
  - { id: claude-sonnet-4-5, provider: claude, ${MODEL} }
cache: { enabled: false }`,
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

/** The upstream speaks every provider's language, and says the same in each. */
function says(said: Said | ((request: RecordedRequest) => Said)): void {
  upstream.always((request): Script => {
    const words = typeof said === 'function' ? said(request) : said;
    const tell = request.path.endsWith('/messages')
      ? messagesAnswer
      : request.path.endsWith('/responses')
        ? responsesAnswer
        : chatAnswer;
    return request.json.stream === true ? tell(words).streamed : tell(words).whole;
  });
}

/** Where a program sends its calls: to the upstream itself, or to the gateway. */
interface Way {
  readonly url: string;
  readonly key: string;
}
const direct = (): Way => ({ url: upstream.url, key: 'k' });
const through = (): Way => ({ url: gateway.url, key: gateway.adminKey });

async function expectSame<T>(program: (way: Way) => Promise<T>): Promise<T> {
  const expected = await program(direct());
  expect(await program(through())).toEqual(expected);
  return expected;
}

const CALLS: Said = {
  text: 'Looking it up.',
  calls: [
    { id: 'call_Oslo', name: 'weather', input: { city: 'Oslo' } },
    { id: 'call_Rome', name: 'weather', input: { city: 'Rome' } },
  ],
};
const CITIES = [{ city: 'Oslo' }, { city: 'Rome' }];
const schema = jsonSchema<{ city: string }>({
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
});
/** An object as the client asked for it: by a schema, or by the argument of a tool that it must call. */
const anObject = ({ json }: RecordedRequest): Said => {
  const forced = json.tool_choice?.name ?? json.tool_choice?.function?.name;
  const named = forced ?? (json.tool_choice?.type === 'any' ? json.tools[0].name : undefined);
  return named === undefined
    ? { text: '{"city":"Oslo"}' }
    : { calls: [{ id: 'call_1', name: named, input: { city: 'Oslo' } }] };
};

const openai = ({ url, key }: Way) => createOpenAI({ apiKey: key, baseURL: `${url}/v1` });
const claude = ({ url, key }: Way) => createAnthropic({ apiKey: key, baseURL: `${url}/v1` });
const aiModels: [string, (way: Way) => LanguageModel][] = [
  ['@ai-sdk/openai (chat)', (way) => openai(way).chat('gpt-test')],
  ['@ai-sdk/openai (responses)', (way) => openai(way).responses('gpt-test')],
  ['@ai-sdk/anthropic', (way) => claude(way)('claude-test')],
  ['@ai-sdk/anthropic, objects by schema', (way) => claude(way)('claude-sonnet-4-5')],
];

describe.each(aiModels)(
  'the AI SDK with %s sees the same through the gateway as directly',
  (_, of) => {
    const asked = (way: Way) => ({ model: of(way), prompt: 'hi', maxRetries: 0 });

    it('in a text', async () => {
      says({ text: 'Good day to you.' });
      const seen = await expectSame(async (way) => {
        const { text, finishReason, usage } = await generateText(asked(way));
        return { text, finishReason, input: usage.inputTokens, output: usage.outputTokens };
      });
      expect(seen).toEqual({
        text: 'Good day to you.',
        finishReason: 'stop',
        input: 20,
        output: 10,
      });
    });

    it('in a stream, part by part', async () => {
      says({ text: 'Good day to you.' });
      const seen = await expectSame(async (way) => {
        const { fullStream, text, finishReason, totalUsage } = streamText(asked(way));
        const parts: string[] = [];
        for await (const part of fullStream) {
          parts.push(part.type === 'text-delta' ? `+${part.text}` : part.type);
        }
        const { inputTokens, outputTokens } = await totalUsage;
        return { parts, text: await text, end: await finishReason, inputTokens, outputTokens };
      });
      expect(seen.parts).toContain('+Good day');
      expect(seen).toMatchObject({ text: 'Good day to you.', end: 'stop', outputTokens: 10 });
    });

    it('in calls of tools, whole and streamed', async () => {
      says(CALLS);
      const seen = await expectSame(async (way) => {
        const whole = await generateText({ ...asked(way), tools });
        const streamed = streamText({ ...asked(way), tools });
        await streamed.consumeStream();
        return [
          whole,
          { toolCalls: await streamed.toolCalls, finishReason: await streamed.finishReason },
        ].map(({ toolCalls, finishReason }) => ({
          calls: toolCalls.map(({ toolCallId, toolName, input }) => ({
            toolCallId,
            toolName,
            input,
          })),
          finishReason,
        }));
      });
      for (const { calls: made, finishReason } of seen) {
        expect(made.map(({ input }) => input)).toEqual(CITIES);
        expect(finishReason).toBe('tool-calls');
      }
    });

    it('in an object, whole and streamed', async () => {
      says(anObject);
      const seen = await expectSame(async (way) => {
        const output = Output.object({ schema });
        const whole = await generateText({ ...asked(way), output });
        const streamed = streamText({ ...asked(way), output });
        const partial: unknown[] = [];
        for await (const part of streamed.partialOutputStream) partial.push(part);
        return { whole: whole.output, streamed: await streamed.output, partial };
      });
      expect(seen.whole).toEqual({ city: 'Oslo' });
      expect(seen.streamed).toEqual({ city: 'Oslo' });
    });

    it('in an error', async () => {
      upstream.always({
        status: 400,
        json: {
          type: 'error',
          error: {
            message: 'no such thing',
            type: 'invalid_request_error',
            param: null,
            code: null,
          },
        },
      });
      const seen = await expectSame(async (way) => {
        const error = await generateText(asked(way)).catch((thrown: unknown) => thrown);
        const { name, message, statusCode, isRetryable } = error as Record<string, unknown>;
        return { name, message, statusCode, isRetryable };
      });
      expect(seen).toMatchObject({ message: 'no such thing', statusCode: 400, isRetryable: false });
    });
  },
);

describe('the AI SDK with @ai-sdk/anthropic asks a model of another provider', () => {
  const model = () => claude(through())('gpt-test');

  it('for text, tools and objects', async () => {
    upstream.always({ json: chatCompletion({ content: 'Good day.' }) });
    expect((await generateText({ model: model(), prompt: 'hi' })).text).toBe('Good day.');
    upstream.always({ sse: chatChunks({ pieces: ['Good day', ' to you.'] }) });
    expect(await streamText({ model: model(), prompt: 'hi' }).text).toBe('Good day to you.');
    upstream.always({ json: calls.json });
    const called = await generateText({ model: model(), prompt: 'hi', tools });
    expect(called.toolCalls.map(({ input }) => input)).toEqual(CITIES);
    upstream.always({ sse: callFrames });
    const streamed = streamText({ model: model(), prompt: 'hi', tools });
    expect((await streamed.toolCalls).map(({ input }) => input)).toEqual(CITIES);
    says((request) => {
      const forced = request.json.tool_choice;
      const name =
        forced === 'required' ? request.json.tools[0].function.name : forced?.function?.name;
      return { calls: [{ id: 'call_1', name, input: { city: 'Oslo' } }] };
    });
    const output = Output.object({ schema });
    expect((await generateText({ model: model(), prompt: 'hi', output })).output).toEqual({
      city: 'Oslo',
    });
  });
});

const weatherTool = {
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'w',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
};
const langChains: [string, (way: Way) => ChatOpenAI | ChatAnthropic][] = [
  [
    '@langchain/openai',
    ({ url, key }) =>
      new ChatOpenAI({
        model: 'gpt-test',
        apiKey: key,
        configuration: { baseURL: `${url}/v1` },
        maxRetries: 0,
      }),
  ],
  [
    '@langchain/openai (responses)',
    ({ url, key }) =>
      new ChatOpenAI({
        model: 'gpt-test',
        apiKey: key,
        configuration: { baseURL: `${url}/v1` },
        useResponsesApi: true,
        maxRetries: 0,
      }),
  ],
  [
    '@langchain/anthropic',
    ({ url, key }) =>
      new ChatAnthropic({
        model: 'claude-test',
        apiKey: key,
        anthropicApiUrl: url,
        maxTokens: 500,
        maxRetries: 0,
      }),
  ],
];

describe.each(langChains)(
  'LangChain with %s sees the same through the gateway as directly',
  (_, of) => {
    const told = ({ text, tool_calls, usage_metadata }: AIMessage | AIMessageChunk) => {
      // Their declared type depends on a message structure that is not known here.
      const usage = usage_metadata as UsageMetadata | undefined;
      return {
        text,
        calls: tool_calls?.map(({ id, name, args }) => ({ id, name, args })),
        input: usage?.input_tokens,
        output: usage?.output_tokens,
      };
    };
    const gathered = async (stream: AsyncIterable<AIMessageChunk>) => {
      let whole: AIMessageChunk | undefined;
      const pieces: string[] = [];
      for await (const chunk of stream) {
        if (chunk.text !== '') pieces.push(chunk.text);
        whole = whole === undefined ? chunk : concat(whole, chunk);
      }
      return { pieces, ...told(whole!) };
    };

    it('in a text and in a stream', async () => {
      says({ text: 'Good day to you.' });
      const seen = await expectSame(async (way) => ({
        whole: told(await of(way).invoke('hi')),
        streamed: await gathered(await of(way).stream('hi')),
      }));
      expect(seen.whole).toMatchObject({ text: 'Good day to you.', input: 20, output: 10 });
      expect(seen.streamed.pieces).toEqual(['Good day', ' to you.']);
    });

    it('in calls of tools, whole and streamed', async () => {
      says(CALLS);
      const seen = await expectSame(async (way) => {
        const bound = of(way).bindTools([weatherTool]);
        return {
          whole: told(await bound.invoke('hi')),
          streamed: await gathered(await bound.stream('hi')),
        };
      });
      expect(seen.whole.calls?.map(({ args }) => args)).toEqual(CITIES);
      expect(seen.streamed.calls?.map(({ args }) => args)).toEqual(CITIES);
    });

    it('in an object', async () => {
      says(anObject);
      const wanted = { title: 'place', ...weatherTool.function.parameters, required: ['city'] };
      const seen = await expectSame((way) => of(way).withStructuredOutput(wanted).invoke('hi'));
      expect(seen).toEqual({ city: 'Oslo' });
    });
  },
);
