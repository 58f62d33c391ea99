import { Injectable, Optional } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { ModelCatalog } from '@sluice/model-catalog';
import { GradeCeiling, NoCeiling } from './grade-ceiling.port.js';
import { ShadowRunner } from './shadow-runner.port.js';
import { ConfigTargetCatalog, TargetCatalog } from './target-catalog.port.js';
import { AllHealthy, TargetHealth } from './target-health.port.js';

/** What the router takes from its neighbours; whatever the app leaves unbound is neutral. */
@Injectable()
export class RoutingPorts {
  readonly health: TargetHealth;
  readonly ceiling: GradeCeiling;
  readonly catalog: TargetCatalog;
  /** Undefined: no shadow traffic. */
  readonly shadow: ShadowRunner | undefined;

  constructor(
    config: ConfigStore,
    models: ModelCatalog,
    @Optional() health?: TargetHealth,
    @Optional() ceiling?: GradeCeiling,
    @Optional() catalog?: TargetCatalog,
    @Optional() shadow?: ShadowRunner,
  ) {
    this.health = health ?? new AllHealthy();
    this.ceiling = ceiling ?? new NoCeiling();
    this.catalog = catalog ?? new ConfigTargetCatalog(config, models);
    this.shadow = shadow;
  }
}
