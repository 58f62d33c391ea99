import { SilentTracer, type Tracer } from './tracer.js';

export interface TracerOptions {
  /** Base address of an OTLP/HTTP collector, as OTEL_EXPORTER_OTLP_ENDPOINT names it. */
  readonly endpoint: string | undefined;
  readonly serviceName: string;
}

/** OpenTelemetry is loaded only here and only with an endpoint: it costs 30 ms of start and 10 MB. */
export async function createTracer({ endpoint, serviceName }: TracerOptions): Promise<Tracer> {
  if (endpoint === undefined) return new SilentTracer();
  const { OtlpTracer } = await import('./otlp.tracer.js');
  return new OtlpTracer(endpoint, serviceName);
}
