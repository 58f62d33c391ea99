// A Postgres in a process of its own, so that the gateway under test has an external database. usage: database.mjs DIR
import { EmbeddedPostgres } from '../../dist/libs/database/src/index.js';
import { SilentLogger } from '../../dist/libs/observability/src/index.js';

const server = await EmbeddedPostgres.start({
  dataDir: process.argv[2],
  logger: new SilentLogger(),
});
const { host, port, user, database } = server.address;
const url = `postgresql://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)));
// The server itself does not keep this process alive.
setInterval(() => undefined, 60_000);
console.log(JSON.stringify({ ready: true, url }));
