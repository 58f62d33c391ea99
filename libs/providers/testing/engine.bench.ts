import {
  configFromObjects,
  type PoliciesConfigInput,
  type SluiceConfigInput,
  type StaticConfigStore,
} from '@sluice/config';
import { DnsCache } from '@sluice/http-client';
import {
  ChatCall,
  SYSTEM_CALLER,
  SystemClock,
  uuidv7,
  type ChatCallInit,
  type Clock,
  type Prompt,
  type Target,
} from '@sluice/kernel';
import { ModelCatalog, PromptCounter, TokenCounter } from '@sluice/model-catalog';
import { Metrics, SilentLogger } from '@sluice/observability';
import { AttemptRunner } from '../src/engine/attempt.runner.js';
import { EngineSettings } from '../src/engine/engine.settings.js';
import { TargetHealth } from '../src/engine/target.health.js';
import { ProviderMetrics } from '../src/provider.metrics.js';
import { ProviderRegistry } from '../src/provider.registry.js';

/** The whole room, wired by hand as the application's container does it. */
export interface EngineBench {
  readonly config: StaticConfigStore;
  readonly runner: AttemptRunner;
  readonly health: TargetHealth;
  readonly registry: ProviderRegistry;
  readonly catalog: ModelCatalog;
  readonly metrics: Metrics;
  target(id: string): Target;
  close(): Promise<void>;
}

export function engineBench(
  sluice: SluiceConfigInput,
  clock: Clock = new SystemClock(),
  world: {
    readonly dns?: DnsCache;
    readonly env?: Readonly<Record<string, string>>;
    readonly policies?: PoliciesConfigInput;
  } = {},
): EngineBench {
  const config = configFromObjects({
    sluice,
    env: world.env ?? {},
    policies: world.policies ?? {},
  });
  const tokens = new TokenCounter();
  const prompts = new PromptCounter(tokens);
  const catalog = new ModelCatalog(config, clock, tokens, prompts);
  const metrics = new Metrics();
  const health = new TargetHealth(config, clock);
  const registry = new ProviderRegistry(
    config,
    new SilentLogger(),
    world.dns ?? new DnsCache(),
    tokens,
    prompts,
  );
  const runner = new AttemptRunner(
    new EngineSettings(config),
    registry,
    catalog,
    health,
    new ProviderMetrics(metrics, health),
    clock,
  );
  return {
    config,
    runner,
    health,
    registry,
    catalog,
    metrics,
    target: (id) => {
      const target = catalog.get(id);
      if (target === undefined) throw new Error(`no model ${id}`);
      return target;
    },
    close: async () => {
      await registry.close();
      await tokens.close();
    },
  };
}

export interface TestCall extends Partial<ChatCallInit> {
  readonly text?: string;
  /** Joined to the prompt and the OpenAI body alike. */
  readonly prompt?: Partial<Prompt>;
}

export function chatCall({ text = 'Say hello.', prompt, ...init }: TestCall = {}): ChatCall {
  return new ChatCall({
    id: uuidv7(),
    caller: SYSTEM_CALLER,
    dialect: 'openai-chat',
    model: 'm',
    stream: false,
    body: { model: 'm', messages: [{ role: 'user', content: text }] },
    signal: new AbortController().signal,
    parse: () => ({ messages: [{ role: 'user', parts: [{ type: 'text', text }] }], ...prompt }),
    ...init,
  });
}
