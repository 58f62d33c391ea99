import type { PoliciesConfig } from '@sluice/config';

/** Whether the operator has configured a tier of that name. */
export function hasTier(policies: PoliciesConfig, name: string): boolean {
  // Not `in`: a token may name the tier "constructor".
  return Object.hasOwn(policies.tiers, name);
}

export function tierNames(policies: PoliciesConfig): readonly string[] {
  return Object.keys(policies.tiers);
}
