import { createHash } from 'node:crypto';
import { chown, mkdir, mkdtemp, readFile, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ifCode } from '@sluice/kernel';
import type { Logger } from '@sluice/observability';
import { postgresBinaries, type PostgresBinaries } from './binaries.js';
import { DirectoryClaim } from './directory-claim.js';
import { EmbeddedPostgresError } from './embedded.error.js';
import { commandLine, waitForExit } from './live-process.js';
import { runProgram, ServerProcess } from './server-process.js';
import { isReachable, serverUser, type ServerUser } from './server-user.js';

/** Where the server listens. A Unix socket only: nothing on the network, and the directory is closed to others. */
export interface EmbeddedAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

/** `fast` gives up safety against a crash of the machine; for tests. */
export type Durability = 'safe' | 'fast';

export interface EmbeddedOptions {
  readonly dataDir: string;
  readonly logger: Logger;
  readonly durability?: Durability;
  /** 60 when left out: one gateway, its worker and a few commands. */
  readonly maxConnections?: number;
}

const USER = 'sluice';
const PORT = 5432;
const RESTART_MAX_MS = 10_000;
const START_ROUNDS = 20;
/**
 * On Linux the server gets the cluster as its working directory and is told this name for it: the kernel
 * resolves it without asking the parents, which may be closed to the server's user (`/root`, mode 0700).
 */
const clusterName = (cluster: string): string =>
  process.platform === 'linux' ? '/proc/self/cwd' : cluster;

/** A PostgreSQL server that lives and dies with this process, its files under the data directory. */
export class EmbeddedPostgres {
  #server: ServerProcess | undefined;
  #stopping = false;

  private constructor(
    readonly address: EmbeddedAddress,
    private readonly claim: DirectoryClaim,
    private readonly launch: () => Promise<ServerProcess>,
    private readonly logger: Logger,
  ) {}

  /** @throws EmbeddedPostgresError saying what is in the way. */
  static async start(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
    await mkdir(options.dataDir, { recursive: true });
    const dataDir = await realpath(options.dataDir);
    const claim = await DirectoryClaim.take(dataDir);
    try {
      const cluster = join(dataDir, 'postgres');
      const user = await serverUser(cluster);
      const binaries = await postgresBinaries(user);
      const { durability = 'safe', maxConnections = 60 } = options;
      const setup: Setup = { cluster, user, binaries, durability, maxConnections };
      await prepareCluster(setup);
      await endLeftover(setup, options.logger);
      const socketDir = await makeSocketDir(cluster, user);
      const launch = () => startServer(setup, socketDir, options.logger);
      const self = new EmbeddedPostgres(addressOf(socketDir), claim, launch, options.logger);
      await self.#run();
      return self;
    } catch (error) {
      await claim.release();
      throw error;
    }
  }

  /** The address of a server that another process runs for this data directory, if one is running. */
  static async find(dataDir: string): Promise<EmbeddedAddress | undefined> {
    const root = await realpath(dataDir).catch(() => undefined);
    if (root === undefined) return undefined;
    const cluster = join(root, 'postgres');
    const record = await recordedServer(cluster);
    return record === undefined ? undefined : addressOf(record.socketDir);
  }

  get pid(): number | undefined {
    return this.#server?.pid;
  }

  /** Stops cleanly: the next start needs no recovery. Safe to call twice. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    await this.#server?.stop();
    await rm(this.address.host, { recursive: true, force: true });
    await this.claim.release();
  }

  /** A method, because the answer changes while others are awaited. */
  #isStopping(): boolean {
    return this.#stopping;
  }

  async #run(): Promise<void> {
    const server = await this.launch();
    this.#server = server;
    void server.exited.then(() => this.#revive(100));
  }

  /** A server that died under us (out of memory, a stray kill) comes back; callers see failing queries meanwhile. */
  async #revive(delayMs: number): Promise<void> {
    if (this.#isStopping()) return;
    this.logger.error({ delayMs }, 'embedded postgres ended unexpectedly; starting it again');
    await new Promise((resolve) => setTimeout(resolve, delayMs).unref());
    if (this.#isStopping()) return;
    try {
      await this.#run();
      // A stop that came while the server was starting did not see it.
      if (this.#isStopping()) await this.#server?.stop();
    } catch (error) {
      this.logger.error({ err: error }, 'embedded postgres did not start again');
      await this.#revive(Math.min(delayMs * 2, RESTART_MAX_MS));
    }
  }
}

interface Setup {
  readonly cluster: string;
  readonly user: ServerUser;
  readonly binaries: PostgresBinaries;
  readonly durability: Durability;
  readonly maxConnections: number;
}

function addressOf(socketDir: string): EmbeddedAddress {
  return { host: socketDir, port: PORT, user: USER, database: 'postgres' };
}

/** Creates the cluster beside its final place and renames it: an interrupted start leaves no half cluster. */
async function prepareCluster(setup: Setup): Promise<void> {
  const { cluster, user, binaries } = setup;
  const version = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch(ifCode('ENOENT'));
  if (version !== undefined) {
    const major = Number.parseInt(version, 10);
    if (major === binaries.major) return;
    throw new EmbeddedPostgresError(
      `${cluster} was written by PostgreSQL ${major}, but this Sluice brings PostgreSQL ${binaries.major}, which cannot read it. ` +
        `Move the data over with pg_dump of version ${major} and psql, start with an empty SLUICE_DATA_DIR, or set DATABASE_URL to a PostgreSQL ${major} server.`,
    );
  }
  const draft = `${cluster}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  if (user.uid !== undefined && user.gid !== undefined) await chown(draft, user.uid, user.gid);
  const args = ['-D', clusterName(draft), '-U', USER, '--auth=trust', '-E', 'UTF8'];
  args.push('--locale=C.UTF-8', '--no-instructions', '--wal-segsize=4');
  if (setup.durability === 'fast') args.push('--no-sync');
  await runProgram({ program: binaries.initdb, args, cwd: draft, user });
  await rename(draft, cluster);
}

/**
 * A socket's path may have 107 bytes at most, so it does not lie in the data directory. Each start has a directory of its
 * own: the watchdog of a killed gateway removes that of its server, perhaps while the next one is starting.
 */
async function makeSocketDir(cluster: string, user: ServerUser): Promise<string> {
  for (const base of new Set([tmpdir(), '/tmp'])) {
    const prefix = join(base, `sluice-${clusterId(cluster)}-`);
    if (prefix.length > 74 || !(await isReachable(base, user))) continue;
    // Closed to others: the server trusts whoever reaches the socket.
    const dir = await mkdtemp(prefix);
    if (user.uid !== undefined && user.gid !== undefined) await chown(dir, user.uid, user.gid);
    return dir;
  }
  throw new EmbeddedPostgresError(
    `No place for the socket of the embedded database: ${tmpdir()} is not usable, or its path is too long.`,
  );
}

/** Says which cluster a server belongs to; on its command line, where another process can read it. */
function clusterId(cluster: string): string {
  return createHash('sha256').update(cluster).digest('hex').slice(0, 12);
}

async function startServer(
  setup: Setup,
  socketDir: string,
  logger: Logger,
): Promise<ServerProcess> {
  const { cluster, user, binaries } = setup;
  const settings: Record<string, string> = {
    cluster_name: `sluice-${clusterId(cluster)}`,
    listen_addresses: '',
    unix_socket_directories: socketDir,
    unix_socket_permissions: '0700',
    port: String(PORT),
    max_connections: String(setup.maxConnections),
    shared_buffers: '64MB',
    // Fewer processes: a gateway's database is small and mostly cached.
    io_method: 'sync',
    max_wal_senders: '0',
    wal_level: 'minimal',
    jit: 'off',
    ...(setup.durability === 'fast' ? { fsync: 'off', full_page_writes: 'off' } : {}),
  };
  const args = ['-D', clusterName(cluster)];
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`);
  const command = { program: binaries.postgres, args, cwd: cluster, user, socketDir };
  // After a kill of the server its own children may hold the shared memory for some milliseconds more.
  for (let round = 1; ; round++) {
    try {
      return await ServerProcess.start(command, logger);
    } catch (error) {
      const busy = String(error).includes('shared memory block');
      if (!busy || round === START_ROUNDS) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

interface RecordedServer {
  readonly pid: number;
  readonly socketDir: string;
}

/** The live server that `postmaster.pid` names, when it really is the server of this cluster. */
async function recordedServer(cluster: string): Promise<RecordedServer | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '');
  const [pid = '', , , , socketDir = ''] = text.split('\n');
  const id = Number.parseInt(pid, 10);
  if (!(id > 1)) return undefined;
  const command = await commandLine(id);
  const isOurs = command.includes(`cluster_name=sluice-${clusterId(cluster)}`);
  return isOurs ? { pid: id, socketDir } : undefined;
}

/**
 * Ends a server whose gateway was killed, and forgets a recorded id that now belongs to some other
 * process, which Postgres itself would take for a live server.
 */
async function endLeftover(setup: Setup, logger: Logger): Promise<void> {
  const left = await recordedServer(setup.cluster);
  if (left === undefined) {
    await rm(join(setup.cluster, 'postmaster.pid'), { force: true });
    return;
  }
  logger.warn(
    { server_pid: left.pid },
    'ending the database server that a killed gateway left behind',
  );
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    try {
      process.kill(left.pid, signal);
    } catch {
      break;
    }
    if (await waitForExit(left.pid, 5_000)) break;
  }
  // Its watchdog does so too, where it lives.
  await rmdir(left.socketDir).catch(() => undefined);
}
