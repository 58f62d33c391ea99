import type { JWTPayload } from 'jose';
import { keysContract } from '@sluice/contracts';
import { GatewayError, type Caller } from '@sluice/kernel';
import { unauthorized } from '../presented-credential.js';

/**
 * `sub` names the caller, `tier` the limits, `tenant` the tenant (`default` when left out). A token never gives the
 * admin scope: who may sign tokens for users is not thereby the gateway's operator.
 * @throws GatewayError unauthorized, forbidden
 */
export function callerOfClaims(payload: JWTPayload): Caller {
  const id = keysContract.callerId.safeParse(payload.sub);
  if (!id.success) throw unauthorized('The token\'s claim "sub" must name the caller.');
  const tenant = keysContract.tenantName.safeParse(payload.tenant ?? 'default');
  if (!tenant.success) throw unauthorized('The token\'s claim "tenant" is not a tenant name.');
  const { tier } = payload;
  if (typeof tier !== 'string' || tier === '') {
    throw new GatewayError('forbidden', 'The token has no claim "tier".', { shouldRetry: false });
  }
  return Object.freeze({
    tenant: tenant.data,
    id: id.data,
    kind: 'jwt',
    tier,
    scopes: Object.freeze([]),
  });
}
