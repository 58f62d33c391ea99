import {
  destination,
  pino,
  stdTimeFunctions,
  type Logger as Pino,
  type LevelWithSilent,
} from 'pino';
import { Logger, type LogFields } from './logger.js';
import { SecretRedactor } from './secret-redactor.js';

/** Where finished lines go; `pino.destination` is one. */
export interface LogSink {
  write(line: string): unknown;
  flush?(done: (error?: Error | null) => void): void;
  flushSync?(): void;
}

export interface PinoLoggerOptions {
  readonly level: LevelWithSilent;
  /** Exact texts that never appear in a line, on top of the known shapes of secrets. */
  readonly secrets?: Iterable<string>;
  /** Standard output, written asynchronously, when left out. */
  readonly sink?: LogSink;
}

/** JSON lines. Secrets are hidden in the finished line, so that no field, message or stack can carry one out. */
export class PinoLogger extends Logger {
  readonly #pino: Pino;
  readonly #sink: LogSink;
  readonly #redactor = new SecretRedactor();

  constructor({ level, secrets = [], sink }: PinoLoggerOptions) {
    super();
    this.#redactor.hide(secrets);
    // With a minLength of 0 the flush of a destination does not wait for writes under way.
    const target = sink ?? destination({ fd: 1, sync: false, minLength: 1 });
    this.#sink = target;
    this.#pino = pino(
      {
        level,
        base: { pid: process.pid },
        timestamp: stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { err: errorFields, error: errorFields },
      },
      { write: (line: string) => target.write(this.#redactor.redact(line)) },
    );
  }

  trace(fields: LogFields, message: string): void {
    this.#pino.trace(fields, message);
  }
  debug(fields: LogFields, message: string): void {
    this.#pino.debug(fields, message);
  }
  info(fields: LogFields, message: string): void {
    this.#pino.info(fields, message);
  }
  warn(fields: LogFields, message: string): void {
    this.#pino.warn(fields, message);
  }
  error(fields: LogFields, message: string): void {
    this.#pino.error(fields, message);
  }
  fatal(fields: LogFields, message: string): void {
    this.#pino.fatal(fields, message);
  }
  isLevelEnabled(level: 'trace' | 'debug' | 'info'): boolean {
    return this.#pino.isLevelEnabled(level);
  }

  /** Secrets that came into being after the start: a reloaded key, a generated one. */
  hide(secrets: Iterable<string>): void {
    this.#redactor.hide(secrets);
  }

  /** Resolves when every line so far is written. The last phase of shutdown. */
  flush(): Promise<void> {
    const { flush } = this.#sink;
    if (flush === undefined) return Promise.resolve();
    return new Promise((resolve) => flush.call(this.#sink, () => resolve()));
  }

  /** For the way out after an uncaught error, where nothing can be awaited. */
  flushSync(): void {
    this.#sink.flushSync?.();
  }
}

/** Name, message, code, stack and cause. Other properties stay out: clients hang whole requests on their errors. */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: errorFields(error.cause) }),
  };
}
