import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { loadConfig, startFailure } from '@sluice/config';

/**
 * Loads the configuration and becomes what this process shall be: the gateway, one of its workers, or the owner of
 * several. Ends with 1 and the reason when that cannot be.
 */
export async function launch(): Promise<void> {
  try {
    await become();
  } catch (error) {
    process.stderr.write(`${startFailure(error)}\n`);
    // Whatever was opened on the way, an embedded server above all, must not keep the process alive.
    process.exit(1);
  }
}

async function become(): Promise<void> {
  const config = await loadConfig();
  const { SLUICE_WORKERS: wanted } = config.env;
  const workers = wanted === 'auto' ? availableParallelism() : wanted;
  // Only what this process needs is loaded: the owner serves no calls.
  if (cluster.isWorker || workers === 1) await (await import('./start.js')).start(config);
  else await (await import('./cluster/primary.js')).startPrimary(config, workers);
}
