import { ConfigError, loadConfig } from '@sluice/config';
import { databaseSettings, EmbeddedPostgresError, withMigrator } from '@sluice/database';
import { SilentLogger } from '@sluice/observability';

const USAGE = 'Usage: npm run db:migrate | npm run db:revert\n';

/** Brings the schema up to date, or takes its newest step back, data included. The gateway migrates by itself at start. */
async function main(command: string | undefined): Promise<number> {
  if (command !== 'up' && command !== 'down') {
    process.stderr.write(USAGE);
    return 2;
  }
  const { env } = await loadConfig(undefined, { watch: false });
  const options = {
    settings: databaseSettings(env, 'join-or-own'),
    logger: new SilentLogger(),
  };
  const lines = await withMigrator(options, async (migrator) => {
    if (command === 'down') {
      const name = await migrator.revert();
      return name === undefined ? ['Nothing to take back.'] : [`Taken back: ${name}`];
    }
    const names = await migrator.migrate();
    return names.length === 0 ? ['The schema is up to date.'] : names.map((n) => `Applied: ${n}`);
  });
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

try {
  process.exitCode = await main(process.argv[2]);
} catch (error) {
  const expected = error instanceof ConfigError || error instanceof EmbeddedPostgresError;
  process.stderr.write(`${expected ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
