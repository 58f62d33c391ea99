import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { Tracer, type SpanRecord } from './tracer.js';

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  internal: SpanKind.INTERNAL,
} as const;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;

/** Spans over OTLP/HTTP in batches. Load through `createTracer` alone. */
export class OtlpTracer extends Tracer {
  readonly enabled = true;
  readonly #provider: BasicTracerProvider;

  constructor(endpoint: string, serviceName: string) {
    super();
    const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` });
    this.#provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ 'service.name': serviceName }),
      spanProcessors: [new BatchSpanProcessor(exporter)],
    });
  }

  record(span: SpanRecord): void {
    this.#record(span, contextOf(span.traceparent));
  }

  shutdown(): Promise<void> {
    return this.#provider.shutdown();
  }

  #record(record: SpanRecord, context: Context): void {
    const attributes: Attributes = {};
    for (const [name, value] of Object.entries(record.attributes)) {
      if (value !== undefined) attributes[name] = typeof value === 'object' ? [...value] : value;
    }
    if (record.error !== undefined) attributes['error.type'] = record.error;
    const span = this.#provider
      .getTracer('sluice')
      .startSpan(
        record.name,
        { kind: KINDS[record.kind], startTime: record.startMs, attributes },
        context,
      );
    if (record.error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    const inside = trace.setSpan(context, span);
    for (const child of record.children ?? []) this.#record(child, inside);
    span.end(record.endMs);
  }
}

function contextOf(traceparent: string | undefined): Context {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: parseInt(flags, 16) & 1,
    isRemote: true,
  });
}
