import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Logger } from '@sluice/observability';
import { EmbeddedPostgresError } from './embedded.error.js';
import type { ServerUser } from './server-user.js';

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const KEPT_LINES = 12;
/** Only what Postgres needs: no key of a provider may end up in a child's environment. */
const ENVIRONMENT = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' };

export interface ProgramCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly user: ServerUser;
}

export interface ServerCommand extends ProgramCommand {
  readonly socketDir: string;
}

/** A running `postgres`: a child of this process, in its own session so that Ctrl-C does not reach it. */
export class ServerProcess {
  /** Resolves when the server is gone, for whatever reason. */
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, command: ServerCommand) {
    this.#child = child;
    const watch = watchdog(child, command);
    this.exited = once(child, 'exit').then(() => {
      watch.stdin?.end('stopped\n');
    });
  }

  /** Resolves when the server accepts connections. Its log goes on to `logger`. */
  static async start(command: ServerCommand, logger: Logger): Promise<ServerProcess> {
    const child = spawn(command.program, command.args, {
      cwd: command.cwd,
      env: ENVIRONMENT,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      ...command.user,
    });
    const recent: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => {
        reject(new EmbeddedPostgresError(`Embedded Postgres did not start: ${why}`));
      };
      const timer = setTimeout(() => {
        fail(`not ready after ${READY_TIMEOUT_MS / 1000} s. ${recent.join(' | ')}`);
        child.kill('SIGQUIT');
      }, READY_TIMEOUT_MS);
      child.once('error', (error) => fail(error.message));
      child.once('exit', (code, signal) =>
        fail(`exit ${code ?? signal ?? ''}. ${recent.join(' | ')}`),
      );
      createInterface({ input: child.stderr }).on('line', (line) => {
        recent.push(line);
        if (recent.length > KEPT_LINES) recent.shift();
        report(line, logger);
        if (line.includes('database system is ready to accept connections')) {
          clearTimeout(timer);
          resolve();
        }
      });
      child.once('exit', () => clearTimeout(timer));
      child.once('error', () => clearTimeout(timer));
    });
    child.unref();
    (child.stderr as unknown as { unref(): void }).unref();
    return new ServerProcess(child, command);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Ends open connections, writes everything to disk and stops; harder when that takes too long. */
  async stop(): Promise<void> {
    // Nothing else may be left that keeps this process alive until the server has gone.
    this.#child.ref();
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
      this.#child.kill(signal);
      const timeout = AbortSignal.timeout(STOP_TIMEOUT_MS);
      const gone = await Promise.race([
        this.exited.then(() => true),
        once(timeout, 'abort').then(() => false),
      ]);
      if (gone) return;
    }
  }
}

/** Runs a program of the server to its end. @throws EmbeddedPostgresError with what it printed. */
export async function runProgram(command: ProgramCommand): Promise<void> {
  const child = spawn(command.program, command.args, {
    cwd: command.cwd,
    env: ENVIRONMENT,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...command.user,
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (exit, signal) => resolve(exit ?? signal ?? 'unknown'));
  });
  if (code !== 0) {
    throw new EmbeddedPostgresError(`${command.program} failed (${code}): ${output.trim()}`);
  }
}

/**
 * Stops the server and removes its socket's directory when this process dies without doing so (SIGKILL, out of
 * memory): a shell waits on a pipe that only this process holds open. A line on the pipe means that all is well.
 */
const WATCHDOG =
  'read -r _ || { kill -INT "$0"; while kill -0 "$0"; do sleep 0.1; done; rmdir "$1"; }';

function watchdog(server: ChildProcess, command: ServerCommand): ChildProcess {
  const shell = spawn('/bin/sh', ['-c', WATCHDOG, String(server.pid), command.socketDir], {
    cwd: '/',
    env: ENVIRONMENT,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    ...command.user,
  });
  // Without a shell the next start ends the left-over server by its recorded id.
  shell.on('error', () => undefined);
  shell.stdin.on('error', () => undefined);
  shell.unref();
  (shell.stdin as unknown as { unref?(): void }).unref?.();
  return shell;
}

function report(line: string, logger: Logger): void {
  const message = /(LOG|WARNING|ERROR|FATAL|PANIC|HINT|DETAIL): +(.*)$/.exec(line);
  const [, level = '', text = line] = message ?? [];
  if (level === 'PANIC' || level === 'FATAL')
    logger.warn({ postgres: text, severity: level }, 'postgres');
  else logger.debug({ postgres: text, severity: level }, 'postgres');
}
