/** An API key as it is stored: everything but the key. */
export interface KeyRecord {
  readonly id: string;
  readonly tenant: string;
  readonly hash: Buffer;
  readonly hint: string;
  readonly name: string;
  readonly tier: string;
  readonly owner: string | null;
  readonly scopes: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
}

/** Which keys may be seen and changed: one tenant's, or all of them for the operator of the gateway. */
export type KeyScope = { readonly tenant: string } | 'every-tenant';
