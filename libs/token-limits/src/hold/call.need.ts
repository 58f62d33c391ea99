import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import {
  GatewayError,
  isAdmin,
  usage,
  type ChatCall,
  type Prompt,
  type Target,
} from '@sluice/kernel';
import { PromptCounter, costOf } from '@sluice/model-catalog';
import { OutputEstimator } from '../estimate/output.estimator.js';
import { callerScope, limitsOf, modelPolicy } from '../scopes/limit.catalogue.js';
import type { Amounts, Limit } from '../scopes/limit.js';

export interface CountedPrompt {
  readonly prompt: Prompt;
  readonly tokens: number;
}

/** What one attempt at a target needs. */
export interface Need {
  readonly limits: readonly Limit[];
  /** The estimate that is reserved. */
  readonly amounts: Amounts;
  readonly prompt: CountedPrompt;
  /** How long the answer usually is. */
  readonly typicalOutput: number;
  /** More than this the upstream will not write, or the request does not allow; undefined when neither says. */
  readonly mostOutput: number | undefined;
}

const NO_OUTPUT = { likely: 0, typical: 0 };

/** Counts and estimates a call, and refuses what exceeds the maxima of one request. */
@Injectable()
export class CallNeeds {
  constructor(
    private readonly config: ConfigStore,
    private readonly counter: PromptCounter,
    private readonly outputs: OutputEstimator,
  ) {}

  /**
   * A promise only when a long prompt must be counted.
   * @param earlier what an earlier attempt of the call has counted
   * @throws GatewayError context_too_long | invalid_request | forbidden; internal for a model without a price
   * under a money limit, which loading the configuration refuses too
   */
  of(call: ChatCall, target: Target, earlier?: CountedPrompt): Need | Promise<Need> {
    const { prompt } = call;
    // A call that sends its texts in parts has another prompt for each.
    if (earlier?.prompt === prompt) return this.#checked(call, target, earlier);
    const tokens = this.counter.countPrompt(prompt);
    return typeof tokens === 'number'
      ? this.#checked(call, target, { prompt, tokens })
      : tokens.then((later) => this.#checked(call, target, { prompt, tokens: later }));
  }

  #checked(call: ChatCall, target: Target, prompt: CountedPrompt): Need | Promise<Need> {
    const checked = this.#refuseTooLong(call, target, prompt.tokens);
    return checked === undefined
      ? this.#needOf(call, target, prompt)
      : checked.then(() => this.#needOf(call, target, prompt));
  }

  #needOf(call: ChatCall, target: Target, prompt: CountedPrompt): Need {
    const { tokens: input } = prompt;
    const { policies } = this.config.current;
    const policy = modelPolicy(policies, target.provider, target.model);
    const asked = call.prompt.maxTokens;
    if (
      asked !== undefined &&
      policy?.maxOutputTokens !== undefined &&
      asked > policy.maxOutputTokens
    ) {
      throw new GatewayError(
        'invalid_request',
        `max_tokens is ${asked}; ${target.model} may write at most ${policy.maxOutputTokens} here.`,
        { param: 'max_tokens', shouldRetry: false },
      );
    }
    const limits = limitsOf(policies, {
      caller: call.caller,
      provider: target.provider,
      model: target.model,
    });
    if (target.price === undefined && limits.some((limit) => limit.unit === 'micro_usd')) {
      throw new GatewayError(
        'internal',
        `The model ${target.model} has no price, but a money budget applies to it. Set its price in the configuration.`,
        { shouldRetry: false },
      );
    }
    const choices = Math.max(1, call.prompt.n ?? 1);
    const mostOutput = least([asked, policy?.maxOutputTokens, target.maxOutputTokens]);
    const silent = isSilent(target);
    const { likely, typical } = silent
      ? NO_OUTPUT
      : this.outputs.forecast(target.model, callerScope(call.caller));
    const output = choices * Math.min(mostOutput ?? Infinity, likely);
    return {
      limits,
      prompt,
      typicalOutput: choices * Math.min(mostOutput ?? Infinity, typical),
      amounts: { input, output, microUsd: priceOf(target, input, output) },
      mostOutput: mostOutput === undefined ? undefined : choices * mostOutput,
    };
  }

  /** A promise only when texts must be counted one by one. */
  #refuseTooLong(call: ChatCall, target: Target, input: number): Promise<void> | undefined {
    const { policies, sluice } = this.config.current;
    const ofRequest = modelPolicy(policies, target.provider, target.model)?.maxInputTokens;
    const ofPrompt = least([
      // What an administrator configured binds administrators too, but for the gateway's own ceiling.
      isAdmin(call.caller) ? undefined : sluice.limits.promptTokens,
      target.contextTokens,
    ]);
    const most = least([ofRequest, ofPrompt]) ?? Infinity;
    if (input <= most) return undefined;
    if (!isSilent(target)) throw tooLong('The prompt', input, target, most);
    if (ofRequest !== undefined && input > ofRequest) {
      throw tooLong('The prompt', input, target, ofRequest);
    }
    return this.#refuseLongText(call.prompt, target, most);
  }

  /** Texts to be embedded are read one by one: each has the whole context to itself. */
  async #refuseLongText(prompt: Prompt, target: Target, most: number): Promise<void> {
    const longest = await this.#longest(prompt);
    if (longest > most) throw tooLong('A text', longest, target, most);
  }

  async #longest(prompt: Prompt): Promise<number> {
    const texts = prompt.messages.map((message) => ({ messages: [message] }));
    const counts = await Promise.all(texts.map(async (text) => this.counter.countPrompt(text)));
    return counts.reduce((most, count) => Math.max(most, count), 0);
  }

  /** What so many more output tokens cost. */
  more(target: Target, output: number): Amounts {
    return { input: 0, output, microUsd: priceOf(target, 0, output, false) };
  }

  /** The limits of a call that went to a model, or to none that is known. */
  limitsFor(
    call: ChatCall,
    to: { readonly provider: string; readonly model: string } | undefined,
  ): readonly Limit[] {
    return limitsOf(this.config.current.policies, { caller: call.caller, ...to });
  }

  learn(call: ChatCall, target: Target, output: number): void {
    const choices = Math.max(1, call.prompt.n ?? 1);
    this.outputs.learn(target.model, callerScope(call.caller), Math.ceil(output / choices));
  }
}

/** Vectors are not written token by token: only the input is paid for. */
function isSilent({ capabilities }: Target): boolean {
  return capabilities.includes('embeddings');
}

function tooLong(what: string, tokens: number, target: Target, most: number): GatewayError {
  return new GatewayError(
    'context_too_long',
    `${what} has ${tokens} tokens; ${target.model} takes at most ${most} here.`,
    { param: 'messages', shouldRetry: false },
  );
}

/** At the dearest class of each direction: an estimate must not be timid. */
function priceOf({ price }: Target, input: number, output: number, request = true): number {
  if (price === undefined) return 0;
  const dearest = {
    input: Math.max(price.input, price.cacheWrite ?? 0),
    output: Math.max(price.output, price.reasoning ?? 0),
    request: request ? price.request : undefined,
  };
  return costOf(usage({ input, output }), dearest);
}

function least(values: readonly (number | undefined)[]): number | undefined {
  let found: number | undefined;
  for (const value of values) {
    if (value !== undefined && (found === undefined || value < found)) found = value;
  }
  return found;
}
