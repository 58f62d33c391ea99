import { Controller, Get } from '@nestjs/common';
import { AdminOnly } from '@sluice/auth';
import { PATHS, PathMonitor, PerformanceAlerts, type PathReport } from '@sluice/routing';

/** How each path and model does over the last five minutes, against its targets and against the hour before. */
@Controller('v1/admin/performance')
@AdminOnly()
export class PerformanceController {
  constructor(
    private readonly monitor: PathMonitor,
    private readonly alerts: PerformanceAlerts,
  ) {}

  @Get()
  report(): unknown {
    return {
      window_seconds: 300,
      paths: Object.fromEntries(PATHS.map((path) => [path, pathJson(this.monitor.path(path))])),
      models: Object.fromEntries(
        this.monitor.models.map((id) => [id, pathJson(this.monitor.model(id))]),
      ),
      alerts: this.alerts.list().map((alert) => ({
        kind: alert.kind,
        subject: alert.subject,
        message: alert.message,
        raised_at: new Date(alert.raisedAt).toISOString(),
        resolved_at:
          alert.resolvedAt === undefined ? null : new Date(alert.resolvedAt).toISOString(),
      })),
    };
  }
}

export function pathJson(report: PathReport): Record<string, unknown> {
  return {
    calls: report.calls,
    failures: report.failures,
    p50_ms: report.p50 ?? null,
    p95_ms: report.p95 ?? null,
    p99_ms: report.p99 ?? null,
    success_rate: report.successRate ?? null,
    baseline_p95_ms: report.baselineP95 ?? null,
    degraded: report.degraded,
    ...(report.target === undefined
      ? {}
      : { target: { p95_ms: report.target.p95, success_rate: report.target.success } }),
    ...(report.verdict === undefined ? {} : { verdict: report.verdict }),
  };
}
