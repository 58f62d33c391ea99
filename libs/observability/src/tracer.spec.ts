import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { genAiSpan } from './gen-ai.span.js';
import { createTracer } from './tracer.factory.js';

interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: Record<string, unknown> }[];
  status: { code: number };
}

/** An OTLP/HTTP collector that keeps what it is sent. */
class Collector {
  readonly spans: OtlpSpan[] = [];
  readonly services = new Set<unknown>();
  readonly paths = new Set<string>();
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      this.paths.add(request.url ?? '');
      const body = JSON.parse(Buffer.concat(chunks).toString());
      for (const resource of body.resourceSpans) {
        for (const attribute of resource.resource.attributes) {
          if (attribute.key === 'service.name') this.services.add(attribute.value.stringValue);
        }
        for (const scope of resource.scopeSpans) this.spans.push(...scope.spans);
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }
  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function attributes(span: OtlpSpan): Record<string, unknown> {
  return Object.fromEntries(
    span.attributes.map(({ key, value }) => [key, Object.values(value)[0]]),
  );
}

describe('the tracer', () => {
  const collector = new Collector();
  afterEach(() => collector.close());

  it('sends a call as GenAI spans, within the trace of its caller', async () => {
    const endpoint = `${await collector.listen()}/`;
    const tracer = await createTracer({ endpoint, serviceName: 'sluice-test' });
    expect(tracer.enabled).toBe(true);
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const attempt = genAiSpan({
      operation: 'chat',
      startMs: 1_700_000_000_010,
      endMs: 1_700_000_000_250.5,
      requestModel: 'gpt-4o-mini',
      responseModel: 'gpt-4o-mini-2024-07-18',
      provider: 'openai',
      responseId: 'chatcmpl-1',
      inputTokens: 12,
      outputTokens: 34,
      finishReasons: ['stop'],
      stream: true,
      timeToFirstChunkMs: 120,
    });
    const failed = genAiSpan({
      operation: 'chat',
      startMs: 1_700_000_000_000,
      endMs: 1_700_000_000_009,
      requestModel: 'gpt-5',
      provider: 'openai',
      error: 'upstream_error',
    });
    tracer.record({
      name: 'POST /v1/chat/completions',
      kind: 'server',
      startMs: 1_700_000_000_000,
      endMs: 1_700_000_000_251,
      attributes: { 'sluice.cache': 'miss', 'http.response.status_code': 200 },
      traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
      children: [failed, attempt],
    });
    tracer.record({
      name: 'alone',
      kind: 'internal',
      startMs: 1,
      endMs: 2,
      attributes: {},
      traceparent: 'rubbish',
    });
    await tracer.shutdown();

    expect(collector.paths).toEqual(new Set(['/v1/traces']));
    expect(collector.services).toEqual(new Set(['sluice-test']));
    const named = (name: string) => collector.spans.find((span) => span.name === name)!;
    const server = named('POST /v1/chat/completions');
    const chat = named('chat gpt-4o-mini');
    expect(server).toMatchObject({ traceId, parentSpanId: '00f067aa0ba902b7', kind: 2 });
    expect(attributes(server)).toMatchObject({ 'sluice.cache': 'miss' });
    expect(chat).toMatchObject({ traceId, parentSpanId: server.spanId, kind: 3 });
    expect(BigInt(chat.endTimeUnixNano) - BigInt(chat.startTimeUnixNano)).toBe(240_500_000n);
    expect(attributes(chat)).toEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.request.stream': true,
      'gen_ai.response.id': 'chatcmpl-1',
      'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
      'gen_ai.response.finish_reasons': { values: [{ stringValue: 'stop' }] },
      'gen_ai.response.time_to_first_chunk': 0.12,
      'gen_ai.usage.input_tokens': 12,
      'gen_ai.usage.output_tokens': 34,
    });
    expect(attributes(named('chat gpt-5'))['error.type']).toBe('upstream_error');
    expect(named('chat gpt-5').status.code).toBe(2);
    expect(named('alone').traceId).not.toBe(traceId);
    expect(named('alone').parentSpanId).toBeUndefined();
  });

  it('loads no part of OpenTelemetry without an endpoint', async () => {
    jest.resetModules();
    for (const name of ['@opentelemetry/api', '@opentelemetry/sdk-trace-node']) {
      jest.unstable_mockModule(name, () => {
        throw new Error(`${name} was loaded`);
      });
    }
    const { createTracer: create } = await import('./index.js');
    const tracer = await create({ endpoint: undefined, serviceName: 'x' });
    expect(tracer.enabled).toBe(false);
    tracer.record({ name: 'x', kind: 'internal', startMs: 0, endMs: 0, attributes: {} });
    await tracer.shutdown();
    // The trap is armed: with an endpoint it snaps.
    await expect(create({ endpoint: 'http://127.0.0.1:1', serviceName: 'x' })).rejects.toThrow(
      'was loaded',
    );
  });
});
