export type CallerKind = 'key' | 'jwt' | 'anonymous' | 'system';

/** Who a call is made for. The id is unique within the tenant: key owner or key id, JWT `sub`, or `ip:<prefix>`. */
export interface Caller {
  readonly tenant: string;
  readonly id: string;
  readonly kind: CallerKind;
  readonly tier: string;
  readonly scopes: readonly string[];
  /** Id of the API key used, when one was. */
  readonly keyId?: string;
}

export const ADMIN_SCOPE = 'admin';

export function isAdmin(caller: Caller): boolean {
  return caller.scopes.includes(ADMIN_SCOPE);
}

/** The tenant whose administrators run the gateway itself. */
export const OPERATOR_TENANT = 'default';

/** Whether `caller` runs the gateway: administrators of other tenants rule over their tenant alone. */
export function isOperator(caller: Caller): boolean {
  return isAdmin(caller) && caller.tenant === OPERATOR_TENANT;
}

/** Identity of work the gateway does on its own account: warming, shadow checks, probes. */
export const SYSTEM_CALLER: Caller = Object.freeze({
  tenant: 'default',
  id: 'sluice:system',
  kind: 'system',
  tier: 'admin',
  scopes: Object.freeze([ADMIN_SCOPE]),
});
