import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { MachineLink } from '@sluice/cluster';
import { ConfigStore } from '@sluice/config';
import { DeferredWork, Logger } from '@sluice/observability';
import { CacheBindings } from '../cache-bindings.js';
import { LookupWatch } from '../lookup-watch.js';

export interface WarmQuery {
  readonly model: string;
  readonly prompt: string;
}
export interface WarmResult {
  readonly warmed: number;
  readonly failed: number;
}

/** Asks the operator's questions before anybody else does. One at a time: nobody waits for it. */
@Injectable()
export class CacheWarmer implements OnApplicationBootstrap {
  #started = false;

  constructor(
    private readonly config: ConfigStore,
    private readonly bindings: CacheBindings,
    private readonly deferred: DeferredWork,
    private readonly logger: Logger,
    private readonly watch: LookupWatch,
    private readonly link: MachineLink,
  ) {
    bindings.onBound(() => this.#start());
  }

  onApplicationBootstrap(): void {
    this.#start();
  }

  get promoted(): number {
    return this.watch.predictor.promoted;
  }

  async warm(queries: readonly WarmQuery[] | undefined): Promise<WarmResult> {
    const runner = this.bindings.warm;
    const list = queries ?? this.config.current.sluice.cache.warming.queries;
    if (runner === undefined) return { warmed: 0, failed: list.length };
    this.watch.warmed = true;
    let warmed = 0;
    for (const query of list) {
      try {
        await runner.run(query);
        warmed++;
      } catch (error) {
        this.logger.warn({ model: query.model, err: error }, 'a question could not be warmed');
      }
    }
    return { warmed, failed: list.length - warmed };
  }

  #start(): void {
    const { enabled, warming } = this.config.current.sluice.cache;
    // Asking costs money: one worker of a machine asks, and all find the answers in the shared tiers.
    if (this.#started || this.bindings.warm === undefined || !this.link.first) return;
    if (!enabled || !warming.onStartup || warming.queries.length === 0) return;
    this.#started = true;
    this.deferred.run('cache warming', () => this.warm(undefined));
  }
}
