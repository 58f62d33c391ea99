import type { ConfigStore } from '@sluice/config';
import { VERSION } from './version.js';

/** Says on standard output where everything is. */
export function announce({ env }: ConfigStore, url: string, workers = 1): void {
  const key =
    env.SLUICE_ADMIN_KEY === undefined
      ? `${env.SLUICE_DATA_DIR}/admin.key`
      : 'from SLUICE_ADMIN_KEY';
  process.stdout.write(
    [
      '',
      `  Sluice ${VERSION} is ready.${workers > 1 ? ` ${workers} workers.` : ''}`,
      '',
      `  API        ${url}/v1`,
      `  Docs       ${url}/docs`,
      `  Dashboard  ${url}/dashboard`,
      `  Admin key  ${key}`,
      '',
      '',
    ].join('\n'),
  );
}
