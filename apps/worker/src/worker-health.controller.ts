import { Controller, Get, Header, HttpException } from '@nestjs/common';
import { Database } from '@sluice/database';
import { Metrics } from '@sluice/observability';

/** The worker's own health and metrics; it serves nothing else. */
@Controller()
export class WorkerHealthController {
  constructor(
    private readonly database: Database,
    private readonly metrics: Metrics,
  ) {}

  @Get('health/live')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** @throws HttpException 503 while the database does not answer */
  @Get(['health', 'health/ready'])
  async ready(): Promise<unknown> {
    const database = await this.database.health();
    const report = { status: database.ok ? 'ok' : 'error', details: { database } };
    if (!database.ok) throw new HttpException(report, 503);
    return report;
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  text(): Promise<string> {
    return this.metrics.registry.metrics();
  }
}
