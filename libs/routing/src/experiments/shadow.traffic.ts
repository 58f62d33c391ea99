import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { SYSTEM_CALLER, uuidv7, type ChatCall } from '@sluice/kernel';
import { DeferredWork } from '@sluice/observability';
import { RoutingPorts } from '../ports/routing-ports.js';
import { ExperimentLedger } from './experiment.ledger.js';
import { fraction } from './experiment.splitter.js';

/** Route of copied calls: they are never copied again. */
export const SHADOW_ROUTE = 'shadow';

/** Copies a share of calls to a candidate model in the background, under the gateway's own identity. */
@Injectable()
export class ShadowTraffic {
  constructor(
    private readonly config: ConfigStore,
    private readonly ports: RoutingPorts,
    private readonly ledger: ExperimentLedger,
    private readonly deferred: DeferredWork,
  ) {}

  /** Called when the caller's own answer has ended: a shadow takes nothing from it. */
  follow(call: ChatCall): void {
    const runner = this.ports.shadow;
    if (runner === undefined || call.route === SHADOW_ROUTE) return;
    const { experiments, routing } = this.config.current.sluice;
    for (const { id, shadow } of experiments) {
      if (shadow === undefined || fraction(`${id}\n${call.id}`) >= shadow.rate) continue;
      this.deferred.run('shadow call', async () => {
        const copy = call.with({
          id: uuidv7(),
          caller: SYSTEM_CALLER,
          model: shadow.model,
          route: SHADOW_ROUTE,
          signal: AbortSignal.timeout(routing.deadline),
          cache: { mode: 'off', noStore: true, noCache: true },
        });
        const result = await runner.run(copy, shadow.model);
        this.ledger.record(id, `shadow:${shadow.model}`, {
          cost_usd: result.costMicroUsd / 1e6,
          success: result.ok ? 1 : 0,
          ...(result.ok ? { latency_ms: result.durationMs } : {}),
        });
      });
    }
  }
}
