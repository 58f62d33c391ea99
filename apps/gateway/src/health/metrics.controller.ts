import { Controller, Get, Header } from '@nestjs/common';
import { Public } from '@sluice/auth';
import { Metrics } from '@sluice/observability';

@Controller()
@Public()
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  /** Prometheus text exposition format 0.0.4. */
  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  text(): Promise<string> {
    return this.metrics.registry.metrics();
  }

  /** The same metrics as one JSON document. */
  @Get('debug/metrics')
  json(): Promise<unknown> {
    return this.metrics.registry.getMetricsAsJSON();
  }
}
