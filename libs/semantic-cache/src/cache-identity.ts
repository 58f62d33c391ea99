import { hash, randomBytes } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { textOf, type ChatCall } from '@sluice/kernel';
import { entryKey, entryKeyOf, IRRELEVANT_FIELDS } from './exact/request-key.js';
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
  #byTier = false;

  constructor(private readonly config: ConfigStore) {
    const look = (): void => {
      this.#byTier = config.current.sluice.models.some((model) => model.tiers !== undefined);
    };
    look();
    config.onChange(look);
  }

  async onModuleInit(): Promise<void> {
    const { SLUICE_KEY_PEPPER, SLUICE_DATA_DIR } = this.config.env;
    this.#names = new ScopeNames(await scopeSecret(SLUICE_KEY_PEPPER, SLUICE_DATA_DIR));
  }

  of(call: ChatCall): CacheIdentity {
    const { scope: wide, version } = this.config.current.sluice.cache;
    const scope = this.#names.of(call.caller, wide, this.#byTier);
    return {
      scope,
      key: entryKeyOf(call, {
        version,
        scope,
        tenant: wide === 'global' ? '*' : call.caller.tenant,
        namespace: call.cache.namespace ?? DEFAULT_NAMESPACE,
      }),
    };
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
}
