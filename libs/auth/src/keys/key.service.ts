import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import type { Queryable } from '@sluice/database';
import { OPERATOR_TENANT, Clock, GatewayError, uuidv7, type Caller } from '@sluice/kernel';
import { generateApiKey, keyHint, KeyHasher } from '../api-key.js';
import { AuditLog } from '../audit.log.js';
import type { KeyRecord, KeyScope } from '../persistence/key.record.js';
import { KeyRepository, type KeyPage } from '../persistence/key.repository.js';
import { claimPepper } from '../persistence/pepper.mark.js';
import { hasTier, tierNames } from '../tier.js';
import { KeyVerifier } from './key.verifier.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export interface NewKey {
  readonly name: string;
  readonly tier: string;
  /** The administrator's own tenant when left out. */
  readonly tenant?: string | undefined;
  /** The caller the key stands for; the key itself when left out. */
  readonly owner?: string | undefined;
  readonly scopes?: readonly string[] | undefined;
  readonly expiresAt?: Date | undefined;
}

/** What may be shown of a key. */
export type KeyView = Omit<KeyRecord, 'hash'>;

/**
 * What administrators do with keys. Each change and its audit row are one transaction. Administrators of the tenant
 * `default` run the gateway and see all tenants; those of another tenant see and change that tenant's keys alone.
 */
@Injectable()
export class KeyService {
  constructor(
    private readonly keys: KeyRepository,
    private readonly verifier: KeyVerifier,
    private readonly hasher: KeyHasher,
    private readonly audit: AuditLog,
    private readonly config: ConfigStore,
    private readonly clock: Clock,
  ) {}

  /** The answer holds the key itself, for the only time. @throws GatewayError invalid_request, forbidden */
  async create(
    by: Caller,
    wanted: NewKey,
  ): Promise<{ readonly key: string; readonly view: KeyView }> {
    this.#checkTier(wanted.tier);
    const tenant = wanted.tenant ?? by.tenant;
    if (by.tenant !== OPERATOR_TENANT && tenant !== by.tenant) {
      throw new GatewayError('forbidden', 'You may make keys for your own tenant only.', {
        param: 'tenant',
      });
    }
    const now = this.clock.now();
    if (wanted.expiresAt !== undefined && wanted.expiresAt.getTime() <= now) {
      throw new GatewayError('invalid_request', 'expires_at: is in the past.', {
        param: 'expires_at',
      });
    }
    const key = generateApiKey();
    const record: KeyRecord = {
      id: uuidv7(now),
      tenant,
      hash: this.hasher.hash(key),
      hint: keyHint(key),
      name: wanted.name,
      tier: wanted.tier,
      owner: wanted.owner ?? null,
      scopes: wanted.scopes ?? [],
      createdAt: new Date(now),
      expiresAt: wanted.expiresAt ?? null,
      revokedAt: null,
    };
    await this.keys.transaction(async (tx) => {
      await this.#requirePepper(tx);
      await this.keys.insert(tx, record);
      const { name, tier, owner, scopes, expiresAt } = record;
      await this.#note(tx, by, {
        record,
        did: 'create',
        details: { name, tier, owner, scopes, expiresAt },
      });
    });
    this.verifier.learn(record);
    return { key, view: viewOf(record) };
  }

  /** Newest first, revoked ones included. */
  async list(
    by: Caller,
    page: KeyPage & { readonly tenant?: string | undefined },
  ): Promise<readonly KeyView[]> {
    const scope = scopeOf(by);
    const { tenant } = page;
    if (tenant === undefined) return (await this.keys.list(scope, page)).map(viewOf);
    // Another tenant's administrator learns nothing, not even whether the tenant exists.
    if (scope !== 'every-tenant' && scope.tenant !== tenant) return [];
    return (await this.keys.list({ tenant }, page)).map(viewOf);
  }

  /** Takes effect here at once and on every replica within 5 s. @throws GatewayError not_found */
  async revoke(by: Caller, id: string): Promise<KeyView> {
    return this.#change(id, async (tx) => {
      const at = new Date(this.clock.now());
      const record = await this.keys.revoke(tx, { scope: scopeOf(by), id }, at);
      if (record !== undefined) await this.#note(tx, by, { record, did: 'revoke', details: {} });
      return record;
    });
  }

  /** @throws GatewayError not_found, invalid_request */
  async changeTier(by: Caller, id: string, tier: string): Promise<KeyView> {
    this.#checkTier(tier);
    return this.#change(id, async (tx) => {
      const record = await this.keys.changeTier(tx, { scope: scopeOf(by), id }, tier);
      if (record !== undefined) {
        await this.#note(tx, by, { record, did: 'change_tier', details: { tier } });
      }
      return record;
    });
  }

  async #change(
    id: string,
    work: (tx: Queryable) => Promise<KeyRecord | undefined>,
  ): Promise<KeyView> {
    const record = UUID.test(id) ? await this.keys.transaction(work) : undefined;
    if (record === undefined)
      throw new GatewayError('not_found', `There is no key ${id}.`, { param: 'id' });
    this.verifier.learn(record);
    return viewOf(record);
  }

  #note(
    tx: Queryable,
    by: Caller,
    { record, did, details }: { record: KeyRecord; did: string; details: object },
  ): Promise<void> {
    return this.audit.record(
      {
        tenant: record.tenant,
        actor: `${by.tenant}/${by.id}`,
        action: `key.${did}`,
        subject: record.id,
        details: { ...details },
      },
      tx,
    );
  }

  #checkTier(tier: string): void {
    const { policies } = this.config.current;
    if (hasTier(policies, tier)) return;
    throw new GatewayError(
      'invalid_request',
      `tier: found "${tier}"; allowed: ${tierNames(policies).join(', ')}.`,
      { param: 'tier' },
    );
  }

  /** A key hashed with another pepper than the database's would work here and on no other replica. */
  async #requirePepper(tx: Queryable): Promise<void> {
    if (await claimPepper(tx, this.hasher.fingerprint())) return;
    throw new GatewayError('conflict', 'Another gateway on this database has another key pepper.');
  }
}

function scopeOf(by: Caller): KeyScope {
  return by.tenant === OPERATOR_TENANT ? 'every-tenant' : { tenant: by.tenant };
}

function viewOf(record: KeyRecord): KeyView {
  const { hash: _hash, ...view } = record;
  return view;
}
