import { join } from 'node:path';
import {
  Module,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { MachineLink } from '@sluice/cluster';
import { ConfigStore } from '@sluice/config';
import { Clock } from '@sluice/kernel';
import { AlertWatch } from './alerts/alert.watch.js';
import { AlertWebhook } from './alerts/alert.webhook.js';
import { BudgetAlertRepository } from './alerts/budget-alert.js';
import { AllowanceBank } from './allowance/allowance.bank.js';
import { DepartureLog } from './departures/departure.log.js';
import { DegradeAdvice } from './degrade.advice.js';
import { EmergencySwitch } from './emergency/emergency.switch.js';
import { SpendControlRepository } from './emergency/spend-control.js';
import { OutputEstimator } from './estimate/output.estimator.js';
import { CallNeeds } from './hold/call.need.js';
import { SpendGate } from './hold/spend.gate.js';
import { BoundedLedger } from './ledger/bounded.ledger.js';
import { MachineLedger } from './ledger/machine.ledger.js';
import { MemoryLedger } from './ledger/memory.ledger.js';
import { LimitBook } from './limit.book.js';
import { LimitsView } from './limits.view.js';
import { SqlAllowanceBank } from './persistence/sql-allowance.bank.js';
import { SqlBudgetAlertRepository } from './persistence/sql-budget-alert.repository.js';
import { SqlSpendControlRepository } from './persistence/sql-spend-control.repository.js';
import { SpendEngine } from './spend.engine.js';
import { SpendUpkeep } from './spend.upkeep.js';
import { TokenLimitsInterceptor } from './token-limits.interceptor.js';
import { TokenLimitMetrics } from './token-limits.metrics.js';
import { TokenHeaders } from './token.headers.js';

/**
 * Needs, provided globally: ConfigStore, Clock, Logger, Metrics, DeferredWork, Database, RedisConnection, MachineLink and the model
 * catalogue's PromptCounter.
 */
@Module({
  providers: [
    AlertWatch,
    AlertWebhook,
    CallNeeds,
    DegradeAdvice,
    EmergencySwitch,
    LimitBook,
    LimitsView,
    OutputEstimator,
    SpendEngine,
    SpendGate,
    SpendUpkeep,
    TokenHeaders,
    TokenLimitMetrics,
    TokenLimitsInterceptor,
    { provide: AllowanceBank, useClass: SqlAllowanceBank },
    {
      provide: BoundedLedger,
      inject: [MachineLink, Clock],
      useFactory: (link: MachineLink, clock: Clock) =>
        link.enabled ? new MachineLedger(link) : new MemoryLedger(clock, true),
    },
    {
      provide: DepartureLog,
      inject: [ConfigStore],
      useFactory: (config: ConfigStore) =>
        new DepartureLog(join(config.env.SLUICE_DATA_DIR, 'limits')),
    },
    { provide: BudgetAlertRepository, useClass: SqlBudgetAlertRepository },
    { provide: SpendControlRepository, useClass: SqlSpendControlRepository },
  ],
  exports: [
    AlertWebhook,
    BudgetAlertRepository,
    DegradeAdvice,
    EmergencySwitch,
    LimitBook,
    LimitsView,
    TokenHeaders,
    TokenLimitsInterceptor,
  ],
})
export class TokenLimitsModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly upkeep: SpendUpkeep,
    metrics: TokenLimitMetrics,
  ) {
    upkeep.count(metrics);
  }

  onApplicationBootstrap(): Promise<void> {
    return this.upkeep.start();
  }

  /** Before the hooks that close Redis and the database. */
  beforeApplicationShutdown(): Promise<void> {
    return this.upkeep.stop();
  }
}
