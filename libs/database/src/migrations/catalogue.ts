import { apiKeys } from './0001-api-keys.js';
import { tokenUsage } from './0002-token-usage.js';
import { chatHistory } from './0003-chat-history.js';
import { spendLimits } from './0004-spend-limits.js';
import { rateOverrides } from './0005-rate-overrides.js';
import { routing } from './0006-routing.js';
import { usageErasure } from './0007-usage-erasure.js';
import { spendTransfers } from './0008-spend-transfers.js';
import type { Migration } from './migration.js';

/** Every step of the schema, in order. To add one: a file `NNNN-name.ts` in this folder and a line here. */
export const MIGRATIONS: readonly Migration[] = [
  apiKeys,
  tokenUsage,
  chatHistory,
  spendLimits,
  rateOverrides,
  routing,
  usageErasure,
  spendTransfers,
];
