import type { Type } from '@nestjs/common';
import { AlertsController } from './alerts.controller.js';
import { BudgetsController } from './budgets.controller.js';
import { CacheController } from './cache.controller.js';
import { ConfigController } from './config.controller.js';
import { ExperimentsController } from './experiments.controller.js';
import { FlagsController } from './flags.controller.js';
import { KeysController } from './keys.controller.js';
import { PerformanceController } from './performance.controller.js';
import { RateLimitsController } from './rate-limits.controller.js';
import { RoutingController } from './routing.controller.js';
import { UsageController } from './usage.controller.js';

/** Everything under /v1/admin. Each says `@AdminOnly()` or `@TenantAdmin()`; a test walks all routes. */
export const ADMIN_CONTROLLERS: Type[] = [
  AlertsController,
  BudgetsController,
  CacheController,
  ConfigController,
  ExperimentsController,
  FlagsController,
  KeysController,
  PerformanceController,
  RateLimitsController,
  RoutingController,
  UsageController,
];
