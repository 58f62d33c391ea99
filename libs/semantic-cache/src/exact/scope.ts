import { createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { keptFile } from '@sluice/config';
import { bounded, type Caller } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';

export type CacheScope = 'caller' | 'tenant' | 'global';

/** The scope of operator-written warm entries: they hold nobody's question, so everybody may be served. */
export const PUBLIC_SCOPE = 'public';

/**
 * Turns a caller into the name under which entries are kept. User ids leave this class only as a keyed
 * hash: who reads the cache cannot list its users nor test a guess.
 */
export class ScopeNames {
  readonly #names = new LRUCache<string, string>(bounded(10_000));
  readonly #secret: Buffer;

  constructor(secret: Buffer | string) {
    this.#secret = typeof secret === 'string' ? Buffer.from(secret) : secret;
  }

  /** @param byTier when models are reserved for tiers, tiers share nothing: one owner may have keys of two. */
  of(caller: Caller, scope: CacheScope, byTier = false): string {
    const tier = byTier ? caller.tier : '';
    const id =
      scope === 'caller'
        ? JSON.stringify(['caller', caller.tenant, caller.kind, caller.id, tier])
        : scope === 'tenant'
          ? JSON.stringify(['tenant', caller.tenant, tier])
          : JSON.stringify(['global', tier]);
    let name = this.#names.get(id);
    if (name === undefined) {
      name = createHmac('sha256', this.#secret).update(id).digest('hex').slice(0, 32);
      this.#names.set(id, name);
    }
    return name;
  }
}

/**
 * The secret of {@link ScopeNames}: the operator's pepper, so that replicas agree, else a file of the
 * data directory that is made on first use.
 */
export async function scopeSecret(pepper: string | undefined, dataDir: string): Promise<Buffer> {
  if (pepper !== undefined) return Buffer.from(`sluice-cache-scope:${pepper}`);
  return keptFile(join(dataDir, 'cache-scope.key'), () => randomBytes(32));
}
