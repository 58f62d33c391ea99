import { hash, randomBytes } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { textOf, type ChatCall } from '@sluice/kernel';
import type { CachedAnswer } from './exact/cached-answer.js';
import { entryKey, entryKeyOf, IRRELEVANT_FIELDS, type KeyParts } from './exact/request-key.js';
import { PUBLIC_SCOPE, ScopeNames, scopeSecret } from './exact/scope.js';

export interface CacheIdentity {
  readonly scope: string;
  readonly key: string;
}

const DEFAULT_NAMESPACE = 'default';
const PLAIN_FIELDS: readonly string[] = ['messages', 'prompt', 'input'];

/** Under which name an answer is kept: who may be served, and for exactly what. */
@Injectable()
export class CacheIdentities implements OnModuleInit {
  // Until the kept secret is read, names are valid for this process alone.
  #names = new ScopeNames(randomBytes(32));
  /** The tiers that each reserved model is reserved for. */
  #reserved: ReadonlyMap<string, readonly string[]> = new Map();

  constructor(private readonly config: ConfigStore) {
    const look = (): void => {
      const { models } = config.current.sluice;
      this.#reserved = new Map(
        models.flatMap(({ id, tiers }) => (tiers === undefined ? [] : [[id, tiers] as const])),
      );
    };
    look();
    config.onChange(look);
  }

  async onModuleInit(): Promise<void> {
    const { SLUICE_KEY_PEPPER, SLUICE_DATA_DIR } = this.config.env;
    this.#names = new ScopeNames(await scopeSecret(SLUICE_KEY_PEPPER, SLUICE_DATA_DIR));
  }

  /** @param generation the number of clearings so far, see {@link entryKeyOf} */
  of(call: ChatCall, generation: number): CacheIdentity {
    const parts = this.#partsOf(call);
    return { scope: parts.scope, key: entryKeyOf(call, parts, generation) };
  }

  /** The key of something else that is kept for this call's caller, namespace and model. */
  keyOf(call: ChatCall, request: string): string {
    return entryKey({ ...this.#partsOf(call), model: call.model, request });
  }

  /** Whether the caller's tier may have what this model answered, whoever asked for it. */
  mayHave({ caller }: ChatCall, { answeredBy }: CachedAnswer): boolean {
    if (this.#reserved.size === 0 || answeredBy === undefined) return true;
    return this.#reserved.get(answeredBy.model)?.includes(caller.tier) ?? true;
  }

  /** The key of a warm entry that could answer this call: one plain question and nothing else; undefined when there is more. */
  warm(call: ChatCall): string | undefined {
    if (Object.keys(call.forwardHeaders).length > 0) return undefined;
    for (const field of Object.keys(call.body)) {
      if (!IRRELEVANT_FIELDS.has(field) && !PLAIN_FIELDS.includes(field)) return undefined;
    }
    const { messages } = call.prompt;
    const [only] = messages;
    if (messages.length !== 1 || only?.role !== 'user') return undefined;
    if (only.parts.some((part) => part.type !== 'text')) return undefined;
    return entryKey({
      version: this.config.current.sluice.cache.version,
      scope: PUBLIC_SCOPE,
      tenant: '*',
      namespace: call.cache.namespace ?? DEFAULT_NAMESPACE,
      model: call.model,
      request: hash('sha256', textOf(only.parts), 'hex'),
    });
  }

  #partsOf({ caller, cache }: ChatCall): Omit<KeyParts, 'model' | 'request'> {
    const { scope: wide, version } = this.config.current.sluice.cache;
    return {
      version,
      scope: this.#names.of(caller, wide, this.#reserved.size > 0),
      tenant: wide === 'global' ? '*' : caller.tenant,
      namespace: cache.namespace ?? DEFAULT_NAMESPACE,
    };
  }
}
