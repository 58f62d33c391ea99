import type { SpanRecord } from './tracer.js';

/** What is known of a model call when it is over. */
export interface GenAiFacts {
  readonly operation: 'chat' | 'embeddings' | 'text_completion';
  readonly startMs: number;
  readonly endMs: number;
  /** As the caller asked for it. */
  readonly requestModel: string;
  /** As it answered. */
  readonly responseModel?: string;
  /** OpenTelemetry's name of the provider: `openai`, `anthropic`, `gcp.gemini`, `aws.bedrock`, or our own id. */
  readonly provider?: string;
  readonly responseId?: string;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly finishReasons?: readonly string[];
  readonly stream?: boolean;
  /** Milliseconds from the start to the first chunk of the answer. */
  readonly timeToFirstChunkMs?: number;
  /** An error code when the call failed. */
  readonly error?: string;
  /** Sluice's own facts, such as `sluice.cache` and `sluice.cost_usd`. */
  readonly extra?: SpanRecord['attributes'];
}

/** A span by OpenTelemetry's semantic conventions for generative AI. Prompts and answers are never part of it. */
export function genAiSpan(facts: GenAiFacts, kind: SpanRecord['kind'] = 'client'): SpanRecord {
  const firstChunk = facts.timeToFirstChunkMs;
  return {
    name: `${facts.operation} ${facts.requestModel}`,
    kind,
    startMs: facts.startMs,
    endMs: facts.endMs,
    ...(facts.error === undefined ? {} : { error: facts.error }),
    attributes: {
      'gen_ai.operation.name': facts.operation,
      'gen_ai.provider.name': facts.provider,
      'gen_ai.request.model': facts.requestModel,
      'gen_ai.request.stream': facts.stream,
      'gen_ai.response.id': facts.responseId,
      'gen_ai.response.model': facts.responseModel,
      'gen_ai.response.finish_reasons': facts.finishReasons,
      'gen_ai.response.time_to_first_chunk':
        firstChunk === undefined ? undefined : firstChunk / 1000,
      'gen_ai.usage.input_tokens': facts.inputTokens,
      'gen_ai.usage.output_tokens': facts.outputTokens,
      ...facts.extra,
    },
  };
}
