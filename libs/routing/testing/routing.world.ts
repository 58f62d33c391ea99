import {
  environmentSchema,
  sluiceSchema,
  ConfigStore,
  type ConfigSnapshot,
  type Environment,
  type ReloadResult,
  type SluiceConfigInput,
} from '@sluice/config';
import {
  ChatCall,
  ManualClock,
  type Caller,
  type ChatCallInit,
  type ChatMessage,
  type Prompt,
  type Target,
} from '@sluice/kernel';
import { ModelCatalog, PromptCounter, TokenCounter } from '@sluice/model-catalog';
import { DeferredWork, Logger, Metrics } from '@sluice/observability';
import type { AlertStore } from '../src/alerts/alert.store.js';
import { PerformanceAlerts } from '../src/alerts/performance.alerts.js';
import { DecisionFile } from '../src/decisions/decision.file.js';
import { DecisionLog } from '../src/decisions/decision.log.js';
import { ExperimentLedger } from '../src/experiments/experiment.ledger.js';
import { ExperimentSplitter } from '../src/experiments/experiment.splitter.js';
import { FeedbackService } from '../src/feedback/feedback.service.js';
import type { FeedbackStore } from '../src/feedback/feedback.store.js';
import { RuntimeFlags } from '../src/flags/runtime.flags.js';
import { FlagStore, MemoryFlagStore } from '../src/flags/flag.store.js';
import { RoutingLearning } from '../src/learning/routing.learning.js';
import type { AlertSink } from '../src/ports/alert-sink.port.js';
import type { GradeCeiling } from '../src/ports/grade-ceiling.port.js';
import { RoutingPorts } from '../src/ports/routing-ports.js';
import type { ShadowRunner } from '../src/ports/shadow-runner.port.js';
import type { TargetCatalog } from '../src/ports/target-catalog.port.js';
import { TargetHealth, type HealthReading } from '../src/ports/target-health.port.js';
import { Router } from '../src/router.js';
import { RoutingMetrics } from '../src/routing.metrics.js';
import { AutoRoute } from '../src/routes/auto.route.js';

/** Small, middle and large, priced like commercial models. */
export const THREE_MODELS: SluiceConfigInput = {
  providers: [{ id: 'sandbox', kind: 'sandbox' }],
  models: [
    {
      id: 'small',
      provider: 'sandbox',
      price: { input: 0.15, output: 0.6 },
      contextTokens: 128_000,
      grade: 'simple',
      capabilities: ['tools', 'json'],
      fallbacks: ['medium'],
    },
    {
      id: 'medium',
      provider: 'sandbox',
      price: { input: 0.8, output: 4 },
      contextTokens: 128_000,
      grade: 'medium',
      capabilities: ['tools', 'json'],
    },
    {
      id: 'large',
      provider: 'sandbox',
      price: { input: 3, output: 15 },
      contextTokens: 200_000,
      grade: 'complex',
      capabilities: ['tools', 'json', 'vision'],
    },
  ],
};

/** A configuration that a test changes under the running rooms. */
export class TestConfig extends ConfigStore {
  current: ConfigSnapshot;
  readonly rejected = [];
  readonly env: Environment;

  constructor(input: SluiceConfigInput, env: Partial<Environment> = {}) {
    super();
    this.env = { ...environmentSchema.parse({}), rateLimits: {}, flags: {}, ...env };
    this.current = snapshot(input, 1);
  }
  use(input: SluiceConfigInput): void {
    this.current = snapshot(input, this.current.version + 1);
  }
  onChange(): () => void {
    return () => undefined;
  }
  onReload(): () => void {
    return () => undefined;
  }
  reload(): Promise<ReloadResult> {
    return Promise.resolve({ applied: false, version: this.current.version, problems: [] });
  }
}

function snapshot(input: SluiceConfigInput, version: number): ConfigSnapshot {
  // Routing reads no policy.
  const policies = {} as ConfigSnapshot['policies'];
  return { version, loadedAt: new Date(0), sluice: sluiceSchema.parse(input), policies };
}

/** Health by model, changed at will. */
export class TestHealth extends TargetHealth {
  version = 0;
  readonly #readings = new Map<string, Partial<HealthReading>>();

  set(model: string, reading: Partial<HealthReading>): void {
    this.#readings.set(model, reading);
    this.version++;
  }
  reading(target: Target): HealthReading {
    return {
      breaker: 'closed',
      inflight: 0,
      maxConcurrent: 64,
      ...this.#readings.get(target.model),
    };
  }
}

export interface LogLine {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

/** Keeps what was logged. */
export class TestLogger extends Logger {
  readonly lines: LogLine[] = [];
  trace(fields: object, message: string): void {
    this.lines.push({ level: 'trace', fields, message });
  }
  debug(fields: object, message: string): void {
    this.lines.push({ level: 'debug', fields, message });
  }
  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', fields, message });
  }
  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', fields, message });
  }
  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', fields, message });
  }
  fatal(fields: object, message: string): void {
    this.lines.push({ level: 'fatal', fields, message });
  }
  isLevelEnabled(): boolean {
    return true;
  }
}

export interface WorldOptions {
  readonly ceiling?: GradeCeiling;
  readonly catalog?: TargetCatalog;
  readonly shadow?: ShadowRunner;
  readonly flagStore?: FlagStore;
  readonly alertStore?: AlertStore;
  readonly alertSink?: AlertSink;
  readonly feedbackStore?: FeedbackStore;
  readonly env?: Partial<Environment>;
}

/** The routing room put together by hand, with everything a test turns within reach. */
export function routingWorld(input: SluiceConfigInput = THREE_MODELS, options: WorldOptions = {}) {
  const config = new TestConfig(input, options.env);
  const clock = new ManualClock();
  const health = new TestHealth();
  const logger = new TestLogger();
  const registry = new Metrics();
  const metrics = new RoutingMetrics(registry, logger);
  const deferred = new DeferredWork(logger);
  const tokens = new TokenCounter();
  const models = new ModelCatalog(config, clock, tokens, new PromptCounter(tokens));
  const ports = new RoutingPorts(
    config,
    models,
    health,
    options.ceiling,
    options.catalog,
    options.shadow,
  );
  const learning = new RoutingLearning(config, clock, metrics, logger);
  const alerts = new PerformanceAlerts(
    clock,
    logger,
    metrics,
    deferred,
    options.alertStore,
    options.alertSink,
  );
  const flagStore = options.flagStore ?? new MemoryFlagStore();
  const flags = new RuntimeFlags(config, clock, logger, deferred, alerts, flagStore);
  const file = new DecisionFile(config, deferred, logger);
  const log = new DecisionLog(metrics, logger, file, clock);
  const splitter = new ExperimentSplitter(config);
  const experiments = new ExperimentLedger(splitter, deferred, logger);
  const feedback = new FeedbackService(
    clock,
    learning,
    experiments,
    deferred,
    logger,
    options.feedbackStore,
  );
  const auto = new AutoRoute(config, clock, ports, learning, metrics, flags);
  const router = new Router(config, clock, ports, auto, splitter, log);
  return {
    config,
    clock,
    health,
    logger,
    registry,
    metrics,
    deferred,
    ports,
    learning,
    alerts,
    flags,
    flagStore,
    file,
    log,
    splitter,
    experiments,
    feedback,
    auto,
    router,
  };
}

let calls = 0;

export function callOf(prompt: string | Prompt, init: Partial<ChatCallInit> = {}): ChatCall {
  const neutral: Prompt =
    typeof prompt === 'string'
      ? { messages: [{ role: 'user', parts: [{ type: 'text', text: prompt }] }] }
      : prompt;
  return new ChatCall({
    id: `call-${++calls}`,
    caller: callerNamed('ann'),
    dialect: 'openai-chat',
    model: 'auto',
    stream: false,
    body: {},
    signal: new AbortController().signal,
    parse: () => neutral,
    ...init,
  });
}

export function callerNamed(id: string, tier = 'free'): Caller {
  return { tenant: 'default', id, kind: 'key', tier, scopes: [] };
}

/** A conversation: user and assistant by turns, beginning with the user. */
export function conversation(...texts: readonly string[]): Prompt {
  return {
    messages: texts.map((text, i) => ({
      role: i % 2 === 0 ? 'user' : 'assistant',
      parts: [{ type: 'text', text }],
    })),
  };
}

export function answerOf(
  text: string,
  choice: Partial<ChatMessage['choices'][number]> = {},
): ChatMessage {
  return {
    id: 'answer',
    model: 'upstream',
    created: 0,
    usage: { input: 10, output: 5, cachedInput: 0, cacheWrite: 0, reasoning: 0, estimated: false },
    choices: [
      { index: 0, parts: text === '' ? [] : [{ type: 'text', text }], finish: 'stop', ...choice },
    ],
  };
}
