import { Injectable } from '@nestjs/common';
import { Database, type Queryable } from '@sluice/database';
import type { KeyRecord, KeyScope } from './key.record.js';

const COLUMNS = `id, tenant, hash, hint, name, tier, owner, scopes,
  created_at AS "createdAt", expires_at AS "expiresAt", revoked_at AS "revokedAt"`;

export interface KeyPage {
  readonly limit: number;
  /** Id after which the page starts; newest first. */
  readonly after?: string | undefined;
}

/** The table `api_keys`. Every value is a parameter; every method but the look-up by hash is bound to a scope. */
@Injectable()
export class KeyRepository {
  constructor(private readonly database: Database) {}

  /** Finds several at once: keys that are looked up in the same moment share one statement. */
  async findByHashes(hashes: readonly Buffer[]): Promise<readonly KeyRecord[]> {
    const { rows } = await this.database.requests.query<KeyRecord>(
      `SELECT ${COLUMNS} FROM api_keys WHERE hash = ANY($1::bytea[])`,
      [hashes],
    );
    return rows;
  }

  async insert(tx: Queryable, record: KeyRecord): Promise<void> {
    await tx.query(
      `INSERT INTO api_keys (id, tenant, hash, hint, name, tier, owner, scopes, created_at, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        record.id,
        record.tenant,
        record.hash,
        record.hint,
        record.name,
        record.tier,
        record.owner,
        record.scopes,
        record.createdAt,
        record.expiresAt,
      ],
    );
  }

  async list(scope: KeyScope, page: KeyPage): Promise<readonly KeyRecord[]> {
    const { rows } = await this.database.requests.query<KeyRecord>(
      `SELECT ${COLUMNS} FROM api_keys
       WHERE ($1::text IS NULL OR tenant = $1) AND ($2::uuid IS NULL OR id < $2)
       ORDER BY id DESC LIMIT $3`,
      [tenantOf(scope), page.after ?? null, page.limit],
    );
    return rows;
  }

  /** Undefined when there is no such key in the scope. A key that is revoked already keeps its first time. */
  async revoke(
    tx: Queryable,
    key: { readonly scope: KeyScope; readonly id: string },
    at: Date,
  ): Promise<KeyRecord | undefined> {
    const { rows } = await tx.query<KeyRecord>(
      `UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3)
       WHERE id = $2 AND ($1::text IS NULL OR tenant = $1) RETURNING ${COLUMNS}`,
      [tenantOf(key.scope), key.id, at],
    );
    return rows[0];
  }

  async changeTier(
    tx: Queryable,
    key: { readonly scope: KeyScope; readonly id: string },
    tier: string,
  ): Promise<KeyRecord | undefined> {
    const { rows } = await tx.query<KeyRecord>(
      `UPDATE api_keys SET tier = $3
       WHERE id = $2 AND ($1::text IS NULL OR tenant = $1) RETURNING ${COLUMNS}`,
      [tenantOf(key.scope), key.id, tier],
    );
    return rows[0];
  }

  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    return this.database.requests.transaction(work);
  }
}

function tenantOf(scope: KeyScope): string | null {
  return scope === 'every-tenant' ? null : scope.tenant;
}
