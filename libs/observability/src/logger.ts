/** Structured log: an object of fields, then a constant message. Secrets are redacted at the sink. */
export abstract class Logger {
  abstract trace(fields: object, message: string): void;
  abstract debug(fields: object, message: string): void;
  abstract info(fields: object, message: string): void;
  abstract warn(fields: object, message: string): void;
  abstract error(fields: object, message: string): void;
  abstract fatal(fields: object, message: string): void;
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
