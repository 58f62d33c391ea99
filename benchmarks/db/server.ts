import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { Database, EmbeddedPostgres } from '@sluice/database';
import { SilentLogger } from '@sluice/observability';

const logger = new SilentLogger();
/** The server's process does not keep this one alive, and between two connections nothing else does. */
const KEEP_ALIVE_MS = 60_000;

/** The gateway's embedded server on a directory of its own, which can be made to forget its caches. */
export class BenchmarkServer {
  #server: EmbeddedPostgres;
  readonly #alive = setInterval(() => undefined, KEEP_ALIVE_MS);

  private constructor(
    readonly dataDir: string,
    server: EmbeddedPostgres,
  ) {
    this.#server = server;
  }

  static async start(dataDir: string): Promise<BenchmarkServer> {
    return new BenchmarkServer(dataDir, await EmbeddedPostgres.start({ dataDir, logger }));
  }

  get url(): string {
    const { host, port, user, database } = this.#server.address;
    return `postgresql://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
  }

  database(): Promise<Database> {
    return Database.open({
      settings: { url: this.url, poolMax: 4, dataDir: '', embedded: 'own' },
      logger,
    });
  }

  /** A connection without time limits. */
  async client(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    return client;
  }

  /** Restarts with empty buffers and takes the files out of the operating system's cache. */
  async cool(): Promise<void> {
    await this.#server.stop();
    const base = join(this.dataDir, 'postgres', 'base');
    const files = await readdir(base, { recursive: true, withFileTypes: true });
    const paths = files
      .filter((file) => file.isFile())
      .map((file) => join(file.parentPath, file.name));
    for (let from = 0; from < paths.length; from += 8) {
      const evict = paths
        .slice(from, from + 8)
        .map((path) =>
          promisify(execFile)('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']),
        );
      await Promise.all(evict);
    }
    this.#server = await EmbeddedPostgres.start({ dataDir: this.dataDir, logger });
  }

  async stop(): Promise<void> {
    await this.#server.stop();
    clearInterval(this.#alive);
  }
}
