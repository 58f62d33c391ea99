import type { PoliciesConfigInput } from '@sluice/config';

/** A system with ten cents, twenty callers with their tokens. Nothing stops by itself before the limit. */
export const POLICIES: PoliciesConfigInput = {
  tiers: { free: { tokens: { perDay: 400_000 }, budget: { monthlyUsd: 0.5 } }, admin: {} },
  tenants: { acme: { tokens: { perMonth: 5_000_000 } } },
  system: { budget: { monthlyUsd: 0.1 } },
  emergency: { shutdownAt: 1 },
  throttle: { queue: { maxWaiting: 1000, maxWait: '2s' } },
};
