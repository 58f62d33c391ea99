import { converseInput } from '../../libs/providers/src/adapters/bedrock/bedrock.body.js';
import { promptText } from '../../libs/providers/src/adapters/mcp/mcp.body.js';
import { AnthropicDialect } from '../../libs/providers/src/dialects/anthropic/anthropic.dialect.js';
import { GeminiDialect } from '../../libs/providers/src/dialects/gemini/gemini.dialect.js';
import { OpenAiChatDialect } from '../../libs/providers/src/dialects/openai/openai-chat.dialect.js';
import type { ProviderDialect } from '../../libs/providers/src/provider-dialect.js';
import {
  ChatCall,
  SYSTEM_CALLER,
  type DialectName,
  type Prompt,
  type Target,
} from '@sluice/kernel';
import { WireCatalogue } from '../../libs/chat/src/wire/wire-catalogue.js';

export const WIRES = new WireCatalogue().all;

export const target = (upstream: string): Target => ({
  model: 'm',
  provider: 'p',
  upstream,
  price: undefined,
  grade: undefined,
  capabilities: [],
  contextTokens: undefined,
  maxOutputTokens: undefined,
});

export const PROVIDERS: readonly ProviderDialect[] = [
  new OpenAiChatDialect({ id: 'p', baseUrl: 'https://api.openai.com/v1', flavor: 'openai' }),
  new AnthropicDialect('p'),
  new GeminiDialect('p'),
];

/** Every way out: what would be sent for a call. */
export const OUTS: Readonly<Record<string, (call: ChatCall) => unknown>> = {
  'openai-chat': (call) => PROVIDERS[0]!.request(call, target('gpt-5')).body,
  anthropic: (call) => PROVIDERS[1]!.request(call, target('claude-sonnet-4-5')).body,
  gemini: (call) => PROVIDERS[2]!.request(call, target('gemini-2.5-pro')).body,
  bedrock: (call) => converseInput(call, target('anthropic.claude-sonnet-4-5-v1:0')),
  mcp: (call) => promptText(call, target('answer')),
};

export function callOf(
  dialect: DialectName,
  body: Record<string, unknown>,
  over: { stream?: boolean; unsupported?: 'refuse' | 'drop'; includeUsage?: boolean } = {},
): ChatCall {
  const parsed = new WireCatalogue().get(dialect).parse(body);
  return new ChatCall({
    id: '018f0000-0000-7000-8000-000000000001',
    caller: SYSTEM_CALLER,
    dialect,
    model: 'm',
    stream: parsed.stream,
    body,
    signal: new AbortController().signal,
    parse: parsed.prompt,
    includeUsage: parsed.includeUsage,
    ...over,
  });
}

/** A call that has a prompt and no body of its own. */
export function callFor(
  prompt: Prompt,
  over: Partial<ConstructorParameters<typeof ChatCall>[0]> = {},
): ChatCall {
  return new ChatCall({
    id: '018f0000-0000-7000-8000-000000000001',
    caller: SYSTEM_CALLER,
    dialect: 'mcp',
    model: 'm',
    stream: false,
    body: {},
    signal: new AbortController().signal,
    parse: () => prompt,
    ...over,
  });
}

/** The events of an SSE text. */
export function sseEvents(text: string): { event: string | undefined; data: string }[] {
  return text
    .split('\n\n')
    .map((block) => block.split('\n').filter((line) => !line.startsWith(':')))
    .filter((lines) => lines.some((line) => line.startsWith('data: ')))
    .map((lines) => ({
      event: lines.find((line) => line.startsWith('event: '))?.slice(7),
      data: lines
        .filter((line) => line.startsWith('data: '))
        .map((line) => line.slice(6))
        .join('\n'),
    }));
}
