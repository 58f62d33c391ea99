import type { ProviderConfig } from '@sluice/config';
import type { DnsCache } from '@sluice/http-client';
import type { ChatCall } from '@sluice/kernel';
import type { PromptCounter, TokenCounter } from '@sluice/model-catalog';
import type { ProviderAdapter } from './provider-adapter.js';

/** What an adapter may use besides its configuration. */
export interface AdapterContext {
  readonly dns: DnsCache;
  readonly tokens: TokenCounter;
  readonly prompts: PromptCounter;
  /** False: a connection serves one exchange (flag `connection_pooling`). */
  readonly keepsAlive: (call?: ChatCall) => boolean;
}

export type ConfigOf<K extends ProviderConfig['kind']> = Extract<ProviderConfig, { kind: K }>;
export type AdapterFactory<K extends ProviderConfig['kind']> = (
  config: ConfigOf<K>,
  context: AdapterContext,
) => ProviderAdapter;

type Catalogue = { readonly [K in ProviderConfig['kind']]?: () => Promise<AdapterFactory<K>> };

/**
 * Every provider kind, loaded when the first provider of that kind is used: an SDK that nobody configured
 * costs neither start-up time nor memory. Adding one is a folder and a line here.
 */
export const PROVIDER_CATALOGUE: Catalogue = {
  sandbox: async () => {
    const { SandboxAdapter } = await import('./adapters/sandbox/sandbox.adapter.js');
    return (_config, context) => new SandboxAdapter(context.tokens, context.prompts);
  },
  openai: async () => {
    const [{ HttpProvider }, { OpenAiChatDialect }] = await Promise.all([
      import('./http.provider.js'),
      import('./dialects/openai/openai-chat.dialect.js'),
    ]);
    return (config, context) => new HttpProvider(config, new OpenAiChatDialect(config), context);
  },
  anthropic: async () => {
    const [{ HttpProvider }, { AnthropicDialect }] = await Promise.all([
      import('./http.provider.js'),
      import('./dialects/anthropic/anthropic.dialect.js'),
    ]);
    return (config, context) => new HttpProvider(config, new AnthropicDialect(config.id), context);
  },
  gemini: async () => {
    const [{ HttpProvider }, { GeminiDialect }] = await Promise.all([
      import('./http.provider.js'),
      import('./dialects/gemini/gemini.dialect.js'),
    ]);
    return (config, context) => new HttpProvider(config, new GeminiDialect(config.id), context);
  },
  bedrock: async () => {
    const { BedrockAdapter } = await import('./adapters/bedrock/bedrock.adapter.js');
    return (config) => new BedrockAdapter(config);
  },
  mcp: async () => {
    const { McpAdapter } = await import('./adapters/mcp/mcp.adapter.js');
    return (config, context) => new McpAdapter(config, (text) => context.tokens.count(text));
  },
};
