import type { Database } from '@sluice/database';
import type { KeyHasher } from './api-key.js';
import { claimPepper } from './persistence/pepper.mark.js';

/** Stops a start that would refuse every key. @throws Error saying what to set */
export async function checkPepper(database: Database, hasher: KeyHasher): Promise<void> {
  const same = await database.requests.transaction((tx) => claimPepper(tx, hasher.fingerprint()));
  if (same) return;
  throw new Error(
    'The API keys in this database were made with another pepper than this gateway has, so none of them would work. ' +
      'Set SLUICE_KEY_PEPPER to the same value on every replica (without it, it is in the file key.pepper of the data directory that made the keys).',
  );
}
