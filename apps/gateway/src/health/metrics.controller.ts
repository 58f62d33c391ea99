import { Controller, Get, Header } from '@nestjs/common';
import { Public } from '@sluice/auth';
import { MachineLink } from '@sluice/cluster';
import { Metrics } from '@sluice/observability';
import { METRICS_QUESTION, METRICS_SERVICE } from '../cluster/owner.metrics.js';

/** With several workers, the metrics of all of them: whichever is asked, the answer is the same. */
@Controller()
@Public()
export class MetricsController {
  constructor(
    private readonly metrics: Metrics,
    private readonly link: MachineLink,
  ) {
    link.onAsked(METRICS_QUESTION, () => metrics.registry.getMetricsAsJSON());
  }

  /** Prometheus text exposition format 0.0.4. */
  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  text(): Promise<string> {
    if (this.link.enabled) return this.link.call(METRICS_SERVICE, 'text', []);
    return this.metrics.registry.metrics();
  }

  /** The same metrics as one JSON document. */
  @Get('debug/metrics')
  json(): Promise<unknown> {
    if (this.link.enabled) return this.link.call(METRICS_SERVICE, 'json', []);
    return this.metrics.registry.getMetricsAsJSON();
  }
}
