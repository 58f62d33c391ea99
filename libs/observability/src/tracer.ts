export type SpanAttribute = string | number | boolean | readonly string[];

/** A span that is over. Recorded at its end, so that a call carries no tracing state while it runs. */
export interface SpanRecord {
  readonly name: string;
  readonly kind: 'server' | 'client' | 'internal';
  /** Milliseconds since the Unix epoch; fractions count. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, SpanAttribute | undefined>>;
  /** W3C `traceparent` of the caller, whose trace the span continues. A malformed one is ignored. */
  readonly traceparent?: string;
  /** Why it failed (OpenTelemetry's `error.type`): an error code, never a message with content. */
  readonly error?: string;
  readonly children?: readonly Omit<SpanRecord, 'traceparent'>[];
}

/** Sends finished spans to the operator's collector. */
export abstract class Tracer {
  /** Ask before building a record: false means that nobody would read it. */
  abstract readonly enabled: boolean;
  /** Queues the span; never waits, never throws. */
  abstract record(span: SpanRecord): void;
  /** Sends what is queued, then stops. */
  abstract shutdown(): Promise<void>;
}

/** No collector: records nothing and loads nothing. */
export class SilentTracer extends Tracer {
  readonly enabled = false;
  record(): void {
    /* nobody listens */
  }
  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}
