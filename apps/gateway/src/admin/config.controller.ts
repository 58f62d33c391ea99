import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { AdminOnly } from '@sluice/auth';
import { MachineLink } from '@sluice/cluster';
import { ConfigStore, redactedConfig } from '@sluice/config';
import { GatewayError } from '@sluice/kernel';

const RELOAD = 'config:reload';

@Controller('v1/admin/config')
@AdminOnly()
export class ConfigController {
  constructor(
    private readonly config: ConfigStore,
    private readonly link: MachineLink,
  ) {
    link.subscribe(RELOAD, () => void config.reload());
  }

  /** What serves now, with secrets as `***`. */
  @Get()
  current(): unknown {
    const { current, rejected } = this.config;
    return {
      version: current.version,
      loaded_at: current.loadedAt.toISOString(),
      rejected,
      config: redactedConfig(current),
    };
  }

  /** Reads both files again. A bad file leaves the old version serving and answers 400 with every problem. */
  @Post('reload')
  @HttpCode(200)
  async reload(): Promise<unknown> {
    const result = await this.config.reload();
    // The other workers of this machine read the same files.
    this.link.publish(RELOAD, '');
    if (result.problems.length > 0) {
      throw new GatewayError(
        'invalid_request',
        `The new configuration was not taken; version ${result.version} keeps serving. ${result.problems.join('; ')}`,
        { param: 'config' },
      );
    }
    return { applied: result.applied, version: result.version };
  }
}
