import { Controller, Get, Param } from '@nestjs/common';
import { AdminOnly } from '@sluice/auth';
import { ConfigStore } from '@sluice/config';
import { GatewayError } from '@sluice/kernel';
import { ExperimentLedger, type ArmReport } from '@sluice/routing';

@Controller('v1/admin/experiments')
@AdminOnly()
export class ExperimentsController {
  constructor(
    private readonly config: ConfigStore,
    private readonly ledger: ExperimentLedger,
  ) {}

  @Get()
  list(): unknown {
    const { experiments } = this.config.current.sluice;
    return {
      object: 'list',
      data: experiments.map(({ id, split, stickyBy }) => ({ id, split, sticky_by: stickyBy })),
    };
  }

  /** The arms side by side: means, and differences from the reference with 95 % intervals. */
  @Get(':id')
  async report(@Param('id') id: string): Promise<unknown> {
    const report = await this.ledger.report(id);
    if (report === undefined) {
      throw new GatewayError('not_found', 'No experiment has this id.', { param: 'id' });
    }
    return {
      id: report.id,
      split: report.split,
      sticky_by: report.stickyBy,
      arms: report.arms.map(armJson),
    };
  }
}

function armJson({ arm, metrics, differences }: ArmReport): unknown {
  return {
    arm,
    calls: metrics.success?.calls ?? 0,
    metrics,
    differences:
      differences === undefined
        ? null
        : Object.fromEntries(
            Object.entries(differences).map(([metric, { difference, interval }]) => [
              metric,
              { difference, confidence_interval: interval ?? null },
            ]),
          ),
  };
}
