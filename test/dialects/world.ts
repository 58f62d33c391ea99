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
