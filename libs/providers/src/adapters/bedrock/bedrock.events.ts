import type {
  ContentBlock,
  ConverseCommandOutput,
  ConverseStreamOutput,
  TokenUsage,
} from '@aws-sdk/client-bedrock-runtime';
import {
  GatewayError,
  usage,
  type ChatEvent,
  type ChatMessage,
  type FinishReason,
  type Part,
  type Usage,
} from '@sluice/kernel';
import { count } from '../../dialects/token.count.js';

const FINISH: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  guardrail_intervened: 'content_filter',
  content_filtered: 'content_filter',
  refusal: 'refusal',
};

/** @throws GatewayError where the model's own output was broken */
function finishOf(reason: string | undefined): FinishReason {
  if (reason === 'malformed_model_output' || reason === 'malformed_tool_use') {
    throw new GatewayError('upstream_error', 'The model wrote an answer that cannot be read.');
  }
  return FINISH[reason ?? 'end_turn'] ?? 'stop';
}

/** Cached tokens are reported beside `inputTokens`; our totals include them. */
export function usageOf(wire: TokenUsage | undefined): Usage | undefined {
  if (wire === undefined) return undefined;
  const cachedInput = count(wire.cacheReadInputTokens);
  const cacheWrite = count(wire.cacheWriteInputTokens);
  return usage({
    input: count(wire.inputTokens) + cachedInput + cacheWrite,
    output: count(wire.outputTokens),
    cachedInput,
    cacheWrite,
  });
}

export function messageOf(
  answer: ConverseCommandOutput,
  facts: { readonly id: string; readonly model: string },
): ChatMessage {
  const content = answer.output?.message?.content;
  if (content === undefined) {
    throw new GatewayError('upstream_error', 'The upstream sent an answer without content.');
  }
  return {
    ...facts,
    created: Math.floor(Date.now() / 1000),
    choices: [
      {
        index: 0,
        parts: content.map(partOf).filter((part) => part !== undefined),
        finish: finishOf(answer.stopReason),
      },
    ],
    usage: usageOf(answer.usage) ?? usage({ estimated: true }),
  };
}

/** The SDK does not check what it names: a damaged answer may hold anything in any place. */
function string(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/**
 * A document as JSON text, digit for digit. The SDK hands on numbers that JavaScript would round
 * (`12345678901234567890`) as `bigint` and as objects of its own.
 */
function documentText(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return `[${value.map(documentText).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  if ('type' in value && value.type === 'bigDecimal' && 'string' in value) {
    const digits = string(value.string);
    if (digits !== '' && Number.isFinite(Number(digits))) return digits;
  }
  const members = Object.entries(value).map(
    ([key, member]) => `${JSON.stringify(key)}:${documentText(member)}`,
  );
  return `{${members.join(',')}}`;
}

function partOf(block: ContentBlock): Part | undefined {
  if (block.text !== undefined) return { type: 'text', text: string(block.text) };
  if (block.toolUse !== undefined) {
    const { toolUseId, name, input } = block.toolUse;
    return {
      type: 'tool_call',
      id: string(toolUseId),
      name: string(name),
      arguments: documentText(input ?? {}),
    };
  }
  const reasoning = block.reasoningContent;
  if (reasoning?.redactedContent !== undefined) {
    return { type: 'reasoning', text: '', redacted: base64(reasoning.redactedContent) };
  }
  if (reasoning?.reasoningText !== undefined) {
    const { text, signature } = reasoning.reasoningText;
    return {
      type: 'reasoning',
      text: string(text),
      ...(signature === undefined ? {} : { signature: string(signature) }),
    };
  }
  return undefined;
}

/** Turns ConverseStream's events into neutral ones. */
export class BedrockEvents {
  #usage: Usage | undefined;
  #stopped = false;
  #calls = -1;
  readonly #callOf = new Map<number, number>();

  get usage(): Usage | undefined {
    return this.#usage;
  }
  /** True once the upstream has said that the answer is whole. */
  get done(): boolean {
    return this.#stopped;
  }

  read(event: ConverseStreamOutput): ChatEvent[] {
    if (event.contentBlockStart !== undefined) {
      const { start, contentBlockIndex } = event.contentBlockStart;
      if (start?.toolUse === undefined) return [];
      this.#calls += 1;
      this.#callOf.set(blockIndex(contentBlockIndex), this.#calls);
      const id = string(start.toolUse.toolUseId);
      const name = string(start.toolUse.name);
      return [{ type: 'tool_call', choice: 0, index: this.#calls, id, name, arguments: '' }];
    }
    if (event.contentBlockDelta !== undefined) return this.#delta(event.contentBlockDelta);
    if (event.messageStop !== undefined) {
      this.#stopped = true;
      return [{ type: 'finish', choice: 0, reason: finishOf(event.messageStop.stopReason) }];
    }
    if (event.metadata !== undefined) {
      this.#usage = usageOf(event.metadata.usage) ?? this.#usage;
      return this.#usage === undefined ? [] : [{ type: 'usage', usage: this.#usage }];
    }
    const failure =
      event.internalServerException ??
      event.modelStreamErrorException ??
      event.serviceUnavailableException ??
      event.throttlingException ??
      event.validationException;
    if (failure !== undefined) throw failure;
    return [];
  }

  #delta(event: NonNullable<ConverseStreamOutput['contentBlockDelta']>): ChatEvent[] {
    const { delta } = event;
    const block = blockIndex(event.contentBlockIndex);
    if (delta?.text !== undefined) return [{ type: 'text', choice: 0, text: string(delta.text) }];
    if (delta?.toolUse !== undefined) {
      const index = this.#callOf.get(block);
      if (index === undefined) return [];
      return [{ type: 'tool_call', choice: 0, index, arguments: string(delta.toolUse.input) }];
    }
    const thought = delta?.reasoningContent;
    if (thought === undefined) return [];
    const { text, signature, redactedContent } = thought;
    return [
      {
        type: 'reasoning',
        choice: 0,
        text: string(text),
        block,
        ...(signature === undefined ? {} : { signature: string(signature) }),
        ...(redactedContent === undefined ? {} : { redacted: base64(redactedContent) }),
      },
    ];
  }
}

function blockIndex(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
