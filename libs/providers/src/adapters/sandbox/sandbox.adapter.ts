import {
  bounded,
  ChatChunk,
  GatewayError,
  usage,
  type ChatCall,
  type ChatEvent,
  type ChatMessage,
  type StopSignal,
  type Target,
  type Usage,
} from '@sluice/kernel';
import type { PromptCounter, TokenCounter } from '@sluice/model-catalog';
import { LRUCache } from 'lru-cache';
import {
  ProviderAdapter,
  type EmbeddingAnswer,
  type EmbeddingRequest,
  type ProviderAnswer,
} from '../../provider-adapter.js';
import {
  answerTo,
  promptDigest,
  type SandboxAnswer,
  type SandboxChoice,
} from './sandbox.answer.js';
import { directiveOf, type SandboxDirective, type SandboxFailure } from './sandbox.directive.js';
import { SANDBOX_DIMENSIONS, sandboxVector } from './sandbox.embedding.js';

const LATENCY_MS = 20;
const TOKENS_PER_SECOND = 2_000;
/** Answers carry no time of their own: the same request gives the same answer, tomorrow too. */
const CREATED = Date.UTC(2026, 0, 1) / 1000;

interface Job {
  readonly answer: SandboxAnswer;
  readonly directive: SandboxDirective;
  readonly model: string;
  readonly spent: Usage;
  readonly failure: SandboxFailure | undefined;
  readonly signal: StopSignal;
}

/**
 * The built-in provider: offline, deterministic, with the timing of a real one. Directives in the last user message
 * script it; see `[[sandbox …]]` in the manual. Usage is exact.
 */
export class SandboxAdapter extends ProviderAdapter {
  /** How often a prompt with `repeat` has failed. */
  readonly #failed = new LRUCache<string, number>(bounded(10_000));

  constructor(
    private readonly tokens: TokenCounter,
    private readonly prompts: PromptCounter,
  ) {
    super();
  }

  override async chat(call: ChatCall, target: Target, signal: StopSignal): Promise<ProviderAnswer> {
    const { prompt } = call;
    const directive = directiveOf(prompt);
    const failure = this.#failureNow(directive, promptDigest(prompt, ''));
    const started = performance.now();
    const [answer, input] = await Promise.all([
      answerTo(prompt, target.upstream, { directive, tokens: this.tokens }),
      this.prompts.countPrompt(prompt),
    ]);
    const output = answer.choices.reduce((sum, choice) => sum + choice.tokens, 0);
    const spent = usage({ input, output });
    const job: Job = { answer, directive, model: target.upstream, spent, failure, signal };
    if (call.stream) return streamed(job, started);
    if (failure !== undefined) {
      await until(started + (directive.latency ?? LATENCY_MS), signal);
      throw failureError(failure);
    }
    const rate = directive.rate ?? TOKENS_PER_SECOND;
    await until(started + (directive.latency ?? LATENCY_MS) + (output / rate) * 1000, signal);
    return { kind: 'message', message: messageOf(job) };
  }

  override async embed(
    request: EmbeddingRequest,
    _target: Target,
    signal: StopSignal,
  ): Promise<EmbeddingAnswer> {
    if (signal.aborted) throw stopped(signal);
    const dimensions = request.dimensions ?? SANDBOX_DIMENSIONS;
    const counts = await Promise.all(
      request.inputs.map((input) =>
        typeof input === 'string' ? this.tokens.count(input) : Promise.resolve(input.length),
      ),
    );
    return {
      vectors: request.inputs.map((input) => sandboxVector(input, dimensions)),
      usage: usage({ input: counts.reduce((sum, count) => sum + count, 0) }),
    };
  }

  override close(): Promise<void> {
    return Promise.resolve();
  }

  #failureNow({ fail, repeat }: SandboxDirective, key: string): SandboxFailure | undefined {
    if (fail === undefined || repeat === undefined) return fail;
    const failed = this.#failed.get(key) ?? 0;
    if (failed >= repeat) return undefined;
    this.#failed.set(key, failed + 1);
    return fail;
  }
}

function messageOf({ answer, model, spent }: Job): ChatMessage {
  return {
    id: answer.id,
    model,
    created: CREATED,
    choices: answer.choices.map(({ parts, finish, stopSequence }, index) => ({
      index,
      parts,
      finish,
      ...(stopSequence === undefined ? {} : { stopSequence }),
    })),
    usage: spent,
  };
}

function streamed(job: Job, started: number): ProviderAnswer {
  let reported: Usage | undefined;
  const chunks = async function* (): AsyncGenerator<ChatChunk> {
    yield* tell(job, started);
    reported = job.spent;
    yield ChatChunk.of({ type: 'usage', usage: job.spent });
  };
  return { kind: 'stream', chunks: chunks(), usage: () => reported };
}

async function* tell(job: Job, started: number): AsyncGenerator<ChatChunk> {
  const { answer, directive, signal } = job;
  const perToken = 1000 / (directive.rate ?? TOKENS_PER_SECOND);
  const first = started + (directive.latency ?? LATENCY_MS);
  const failAt = failurePoint(job);
  let told = 0;
  await until(first, signal);
  if (failAt === 0 && job.failure !== undefined) throw failureError(job.failure);
  yield ChatChunk.of({ type: 'start', id: answer.id, model: job.model, created: CREATED });
  for (const [choice, made] of answer.choices.entries()) {
    for (const [at, piece] of made.pieces.entries()) {
      await until(first + told * perToken, signal);
      yield ChatChunk.of(pieceEvent(made, choice, { at, piece }));
      if (++told === failAt && job.failure !== undefined) throw failureError(job.failure);
    }
    const { finish, stopSequence } = made;
    const end = { type: 'finish' as const, choice, reason: finish };
    yield ChatChunk.of(stopSequence === undefined ? end : { ...end, stopSequence });
  }
}

function pieceEvent(
  { tool }: SandboxChoice,
  choice: number,
  { at, piece }: { readonly at: number; readonly piece: string },
): ChatEvent {
  if (tool === undefined) return { type: 'text', choice, text: piece };
  return {
    type: 'tool_call',
    choice,
    index: 0,
    ...(at === 0 ? { id: tool.id, name: tool.name } : {}),
    arguments: piece,
  };
}

/** After how many tokens a stream fails; a cut falls in the middle unless told otherwise, the rest at the start. */
function failurePoint({ failure, directive, answer }: Job): number {
  if (failure === undefined) return Infinity;
  const pieces = answer.choices.reduce((sum, choice) => sum + choice.pieces.length, 0);
  const wanted = directive.after ?? (failure === 'cut' ? Math.max(1, Math.floor(pieces / 2)) : 0);
  return Math.min(wanted, pieces);
}

function failureError(failure: SandboxFailure): GatewayError {
  switch (failure) {
    case '429':
      return upstreamError('rate_limited', 429, 'The sandbox was told to be rate-limited.');
    case '500':
      return upstreamError('upstream_error', 500, 'The sandbox was told to fail.');
    case 'timeout':
      return new GatewayError('upstream_timeout', 'The sandbox was told not to answer in time.');
    case 'cut':
      return new GatewayError('upstream_error', 'The sandbox was told to break its connection.');
  }
}

function upstreamError(
  code: 'rate_limited' | 'upstream_error',
  status: number,
  message: string,
): GatewayError {
  return new GatewayError(code, message, {
    upstream: { provider: 'sandbox', status, dialect: 'sluice', body: { error: { message } } },
  });
}

/** Waits until a moment of `performance.now()`. Moments that have passed cost nothing, so a high rate comes in bursts. */
function until(moment: number, signal: StopSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(stopped(signal));
  const wait = moment - performance.now();
  if (wait < 1) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(stopped(signal));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, wait);
    signal.addEventListener('abort', stop, { once: true });
  });
}

function stopped({ reason }: StopSignal): Error {
  return reason instanceof Error
    ? reason
    : new GatewayError('client_closed', 'The request was aborted.');
}
