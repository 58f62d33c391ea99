import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { ConfigStore, secretValues } from '@sluice/config';
import { Gauge } from 'prom-client';
import { Metrics } from './metrics.js';
import { PinoLogger } from './pino.logger.js';

/** Says in log and metrics which configuration serves, and why a newer one does not. */
@Injectable()
export class ConfigReport implements OnModuleDestroy {
  readonly #stop: () => void;

  constructor(config: ConfigStore, logger: PinoLogger, metrics: Metrics) {
    const version = new Gauge({
      name: 'sluice_config_version',
      help: 'Version of the configuration that serves; grows by one with each applied reload.',
      registers: [metrics.registry],
    });
    version.set(config.current.version);
    this.#stop = config.onReload((result) => {
      logger.hide(secretValues(config.env, config.current));
      version.set(result.version);
      if (result.applied) {
        logger.info({ version: result.version }, 'configuration reloaded');
      } else {
        logger.error(
          { version: result.version, problems: result.problems },
          'configuration refused, the old one goes on serving',
        );
      }
    });
  }

  onModuleDestroy(): void {
    this.#stop();
  }
}
