/**
 * The facts of one line. The four names are the line's own: a second `level` in the same object would leave it to
 * each reader of the log which of the two counts.
 */
export interface LogFields {
  readonly [name: string]: unknown;
  readonly level?: never;
  readonly time?: never;
  readonly pid?: never;
  readonly msg?: never;
}

/** Structured log: an object of fields, then a constant message. Secrets are redacted at the sink. */
export abstract class Logger {
  abstract trace(fields: LogFields, message: string): void;
  abstract debug(fields: LogFields, message: string): void;
  abstract info(fields: LogFields, message: string): void;
  abstract warn(fields: LogFields, message: string): void;
  abstract error(fields: LogFields, message: string): void;
  abstract fatal(fields: LogFields, message: string): void;
  abstract isLevelEnabled(level: 'trace' | 'debug' | 'info'): boolean;
}

/** Keeps nothing; for tests that do not look at the log. */
export class SilentLogger extends Logger {
  trace(): void {
    /* silent */
  }
  debug(): void {
    /* silent */
  }
  info(): void {
    /* silent */
  }
  warn(): void {
    /* silent */
  }
  error(): void {
    /* silent */
  }
  fatal(): void {
    /* silent */
  }
  isLevelEnabled(): boolean {
    return false;
  }
}
