import type { Migration } from './migration.js';

/**
 * API keys and the log of what administrators did.
 *
 * `api_keys.hash` is HMAC-SHA-256(pepper, key): the key itself is nowhere. The look-up of a request reads
 * the unique index of `hash` and one row. Revoked keys stay, so that usage and audit rows can name them.
 * `audit_log` is only ever inserted into. `key_pepper` has at most one row: a fingerprint of the pepper that the
 * hashes were made with, so that a gateway with another one says so instead of refusing every key.
 */
export const apiKeys: Migration = {
  number: 1,
  name: 'api-keys',
  owner: 'auth',
  up: `
    CREATE TABLE api_keys (
      id uuid PRIMARY KEY,
      tenant text NOT NULL CHECK (tenant <> ''),
      hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
      hint text NOT NULL,
      name text NOT NULL,
      tier text NOT NULL,
      owner text,
      scopes text[] NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL,
      expires_at timestamptz,
      revoked_at timestamptz
    );
    CREATE INDEX api_keys_by_tenant ON api_keys (tenant, id);

    CREATE TABLE key_pepper (
      one boolean PRIMARY KEY CHECK (one),
      fingerprint bytea NOT NULL
    );

    CREATE TABLE audit_log (
      id uuid PRIMARY KEY,
      tenant text NOT NULL,
      at timestamptz NOT NULL,
      actor text NOT NULL,
      action text NOT NULL,
      subject text NOT NULL,
      details jsonb NOT NULL DEFAULT '{}'
    );
    CREATE INDEX audit_log_by_tenant ON audit_log (tenant, id);
  `,
  down: `
    DROP TABLE audit_log;
    DROP TABLE key_pepper;
    DROP TABLE api_keys;
  `,
};
