export { DeferredWork } from './deferred-work.js';
export { genAiSpan, type GenAiFacts } from './gen-ai.span.js';
export { Logger, SilentLogger } from './logger.js';
export { Metrics } from './metrics.js';
export { NestLogger } from './nest.logger.js';
export { ObservabilityModule } from './observability.module.js';
export { PinoLogger, type LogSink, type PinoLoggerOptions } from './pino.logger.js';
export { SilentTracer, Tracer, type SpanAttribute, type SpanRecord } from './tracer.js';
export { createTracer, type TracerOptions } from './tracer.factory.js';
