import {
  policiesSchema,
  sluiceSchema,
  type ConfigStore,
  type PoliciesConfigInput,
  type SluiceConfigInput,
} from '@sluice/config';
import {
  ChatCall,
  ManualClock,
  uuidv7,
  type Caller,
  type ChatCallInit,
  type Prompt,
  type Target,
} from '@sluice/kernel';
import type { PromptCounter } from '@sluice/model-catalog';
import { DeferredWork, Metrics, SilentLogger } from '@sluice/observability';
import { DisabledRedisConnection, type RedisConnection } from '@sluice/redis';
import { AlertWatch } from '../src/alerts/alert.watch.js';
import { AlertWebhook } from '../src/alerts/alert.webhook.js';
import type { AllowanceBank } from '../src/allowance/allowance.bank.js';
import { DepartureLog } from '../src/departures/departure.log.js';
import { DegradeAdvice } from '../src/degrade.advice.js';
import { EmergencySwitch } from '../src/emergency/emergency.switch.js';
import { OutputEstimator } from '../src/estimate/output.estimator.js';
import { CallNeeds } from '../src/hold/call.need.js';
import { SpendGate } from '../src/hold/spend.gate.js';
import { LimitBook } from '../src/limit.book.js';
import { LimitsView } from '../src/limits.view.js';
import { MemoryLedger } from '../src/ledger/memory.ledger.js';
import { SpendEngine } from '../src/spend.engine.js';
import { SpendUpkeep } from '../src/spend.upkeep.js';
import { TokenLimitMetrics } from '../src/token-limits.metrics.js';
import { TokenLimitsInterceptor } from '../src/token-limits.interceptor.js';
import { TokenHeaders } from '../src/token.headers.js';
import { MemoryAlerts, MemoryBank, MemoryControl } from './memory-stores.js';

export const ann: Caller = { tenant: 'acme', id: 'ann', kind: 'key', tier: 'free', scopes: [] };
export const root: Caller = { ...ann, id: 'root', tier: 'admin', scopes: ['admin'] };

/** One micro-USD a token in, two a token out; answers of at most 1,000 tokens. */
export const small: Target = {
  model: 'small',
  provider: 'sandbox',
  upstream: 'small',
  price: { input: 1, output: 2 },
  grade: 'simple',
  capabilities: [],
  contextTokens: undefined,
  maxOutputTokens: 1000,
};
export const large: Target = { ...small, model: 'large', price: { input: 10, output: 20 } };

export interface WorldOptions {
  readonly policies: PoliciesConfigInput;
  readonly sluice?: SluiceConfigInput;
  readonly bank?: AllowanceBank;
  readonly redis?: RedisConnection;
  readonly clock?: ManualClock;
  /** Nothing is written down when left out. */
  readonly departures?: DepartureLog;
}

/** The whole room on a clock that stands, with stores in memory unless others are given. */
export function spendWorld(options: WorldOptions) {
  const clock = options.clock ?? new ManualClock(Date.UTC(2026, 0, 15, 12));
  const snapshot = (policies: PoliciesConfigInput) => ({
    version: 1,
    loadedAt: new Date(),
    policies: policiesSchema.parse(policies),
    sluice: sluiceSchema.parse(options.sluice ?? {}),
  });
  const config = { current: snapshot(options.policies) };
  const store = config as unknown as ConfigStore;
  const logger = new SilentLogger();
  const bank = options.bank ?? new MemoryBank();
  const engine = new SpendEngine(
    bank,
    options.redis ?? new DisabledRedisConnection(),
    clock,
    logger,
    new MemoryLedger(clock, true),
    options.departures ?? new DepartureLog('/dev/null/none'),
  );
  const book = new LimitBook();
  const control = new MemoryControl();
  const emergency = new EmergencySwitch(control, store, clock, logger);
  const alerts = new MemoryAlerts();
  const deferred = new DeferredWork(logger);
  const watch = new AlertWatch(alerts, new AlertWebhook(clock), store, clock, deferred, logger);
  const view = new LimitsView(engine, store, clock, book);
  const metrics = new Metrics();
  const upkeep = new SpendUpkeep(engine, emergency, watch, view, book, logger);
  const counted = new TokenLimitMetrics(metrics, engine, book);
  upkeep.count(counted);
  const gate = new SpendGate(engine, book, emergency, store, clock, counted);
  // A word is a token.
  const counter = {
    countPrompt: (prompt: Prompt) => JSON.stringify(prompt.messages).split(' ').length,
  } as unknown as PromptCounter;
  const outputs = new OutputEstimator();
  const needs = new CallNeeds(store, counter, outputs);
  const limits = new TokenLimitsInterceptor(gate, engine, needs);
  return {
    advice: new DegradeAdvice(store, book, clock),
    headers: new TokenHeaders(store, book, clock),
    reload: (policies: PoliciesConfigInput) => (config.current = snapshot(policies)),
    /** What a scope's limits stand at: [spent, held] by unit and span. */
    async standing(
      scope: string,
      caller = ann,
    ): Promise<Record<string, readonly [number, number]>> {
      const all = [...(await view.all()), ...(await view.ofCaller(caller))];
      return Object.fromEntries(
        all
          .filter((s) => s.scope === scope)
          .map((s) => [`${s.unit}/${s.span}`, [s.spent, s.held] as const]),
      );
    },
    ...{
      alerts,
      bank,
      book,
      clock,
      config,
      control,
      deferred,
      emergency,
      engine,
      gate,
      limits,
      metrics,
      needs,
    },
    ...{ outputs, upkeep, view, watch },
  };
}

/** A call whose prompt counts `words` tokens. */
export function callOf(
  words: number,
  init: Partial<ChatCallInit> & { maxTokens?: number } = {},
): ChatCall {
  const { maxTokens, ...rest } = init;
  const text = Array.from({ length: words }, () => 'x').join(' ');
  return new ChatCall({
    id: uuidv7(),
    caller: ann,
    dialect: 'openai-chat',
    model: 'auto',
    stream: false,
    body: {},
    signal: new AbortController().signal,
    parse: () => ({
      messages: [{ role: 'user', parts: [{ type: 'text', text }] }],
      ...(maxTokens === undefined ? {} : { maxTokens }),
    }),
    ...rest,
  });
}
