import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import {
  GatewayError,
  asGatewayError,
  firstStop,
  type Caller,
  type ErrorCode,
  type RawJson,
  type StopSignal,
  type Target,
} from '@sluice/kernel';
import { ModelCatalog } from '@sluice/model-catalog';
import { Logger } from '@sluice/observability';
import { ProviderRegistry, type AdapterLease } from '@sluice/providers';
import { bodyOf, type Json } from './wire/field.check.js';
import { parseCountBody } from './wire/anthropic.wire.js';

export interface CountQuestion {
  readonly body: unknown;
  /** `body` as it was received. */
  readonly raw: RawJson | undefined;
  readonly caller: Caller;
  readonly forwardHeaders: Readonly<Record<string, string>>;
  readonly signal: StopSignal;
}

export interface TokenCount {
  readonly body: Json;
  /** `upstream`: the provider's own number. `gateway`: counted here, with the number that limits reserve. */
  readonly by: 'upstream' | 'gateway';
}

/** Counting is a courtesy: nobody waits for it as for an answer. Milliseconds. */
const PATIENCE_MS = 5_000;
/** What the provider says of the question itself is the answer; any other failure is ours to get around. */
const FAULTS_OF_THE_QUESTION: readonly ErrorCode[] = [
  'invalid_request',
  'unprocessable',
  'context_too_long',
  'body_too_large',
];

/** How many tokens a Messages request has: asked of its provider where that is Anthropic's dialect, else counted here. */
@Injectable()
export class TokenCountService {
  constructor(
    private readonly config: ConfigStore,
    private readonly catalog: ModelCatalog,
    private readonly providers: ProviderRegistry,
    private readonly logger: Logger,
  ) {}

  /** @throws GatewayError invalid_request, in the provider's words where it was asked */
  async count(question: CountQuestion): Promise<TokenCount> {
    const { model, prompt } = parseCountBody(question.body);
    const target = this.#target(model, question.caller);
    const told = target === undefined ? undefined : await this.#ask(target, question);
    if (told !== undefined) return { body: told, by: 'upstream' };
    return { body: { input_tokens: await this.catalog.countPrompt(prompt) }, by: 'gateway' };
  }

  /** Undefined for models that are not the caller's to ask, and for those that only a route decides. */
  #target(model: string, caller: Caller): Target | undefined {
    const config = this.config.current.sluice.models.find(({ id }) => id === model);
    if (config === undefined || config.tiers?.includes(caller.tier) === false) return undefined;
    const target = this.catalog.get(model);
    return target !== undefined && this.providers.isEnabled(target.provider) ? target : undefined;
  }

  async #ask(target: Target, question: CountQuestion): Promise<Json | undefined> {
    const { forwardHeaders, signal, raw } = question;
    const body = bodyOf(question.body);
    const request = { dialect: 'anthropic', body, raw, forwardHeaders } as const;
    const patience = firstStop(signal, AbortSignal.timeout(PATIENCE_MS));
    let lease: AdapterLease | undefined;
    try {
      lease = await this.providers.lease(target.provider);
      return await lease.adapter.count?.(request, target, patience);
    } catch (thrown) {
      const error = asGatewayError(thrown);
      if (signal.aborted) {
        throw new GatewayError('client_closed', 'The caller left.', { cause: error });
      }
      if (FAULTS_OF_THE_QUESTION.includes(error.code)) throw error;
      this.logger.warn(
        { err: error, provider: target.provider },
        'tokens are counted here instead',
      );
      return undefined;
    } finally {
      lease?.release();
    }
  }
}
