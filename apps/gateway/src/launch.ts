import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { ConfigError, loadConfig, type ConfigStore } from '@sluice/config';

/**
 * Loads the configuration and becomes what this process shall be: the gateway, one of its workers, or the owner of
 * several. Ends with 1 when the configuration is wrong.
 */
export async function launch(): Promise<void> {
  let config: ConfigStore;
  try {
    config = await loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    return;
  }
  const { SLUICE_WORKERS: wanted } = config.env;
  const workers = wanted === 'auto' ? availableParallelism() : wanted;
  // Only what this process needs is loaded: the owner serves no calls.
  if (cluster.isWorker || workers === 1) await (await import('./start.js')).start(config);
  else await (await import('./cluster/primary.js')).startPrimary(config, workers);
}
