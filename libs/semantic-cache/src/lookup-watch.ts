import { Injectable } from '@nestjs/common';
import { CacheMetrics } from './cache-metrics.js';
import { ShadowChecks } from './control/shadow-checks.js';
import { PredictiveWarmer } from './warming/predictive-warmer.js';

/** What looks over the shoulder of each look-up. */
@Injectable()
export class LookupWatch {
  /** Set once an operator warmed the cache by hand. */
  warmed = false;

  constructor(
    readonly metrics: CacheMetrics,
    readonly checks: ShadowChecks,
    readonly predictor: PredictiveWarmer,
  ) {}
}
