import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { AdminOnly } from '@sluice/auth';
import { ConfigStore, redactedConfig } from '@sluice/config';
import { GatewayError } from '@sluice/kernel';

@Controller('v1/admin/config')
@AdminOnly()
export class ConfigController {
  constructor(private readonly config: ConfigStore) {}

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
