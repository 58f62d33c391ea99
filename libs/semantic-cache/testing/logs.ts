import { SilentLogger } from '@sluice/observability';

/** Keeps warnings and errors. */
export class RecordingLogger extends SilentLogger {
  readonly lines: { fields: object; message: string }[] = [];

  override warn(fields?: object, message = ''): void {
    this.lines.push({ fields: fields ?? {}, message });
  }
  override error(fields?: object, message = ''): void {
    this.lines.push({ fields: fields ?? {}, message });
  }
}
