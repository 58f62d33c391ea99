import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { keptFile } from '@sluice/config';
import type { Logger } from '@sluice/observability';
import { generateApiKey } from './api-key.js';

const PEPPER_FILE = 'key.pepper';
const ADMIN_FILE = 'admin.key';
const WEAK_BELOW = 20;

export interface SecretSettings {
  readonly dataDir: string;
  readonly pepper?: string | undefined;
  readonly adminKey?: string | undefined;
}

/** The two secrets that keys hang on. There is no default for either: given by the operator, or random. */
export class AuthSecrets {
  private constructor(
    readonly pepper: string,
    readonly adminKey: string,
  ) {}

  /** Reads the files of the data directory, and writes those that are needed and missing, mode 0600. */
  static async load(settings: SecretSettings, logger: Logger): Promise<AuthSecrets> {
    const { dataDir } = settings;
    const pepper = settings.pepper ?? (await keptSecret(join(dataDir, PEPPER_FILE), randomPepper));
    const adminKey =
      settings.adminKey ?? (await keptSecret(join(dataDir, ADMIN_FILE), generateApiKey));
    if (adminKey.length < WEAK_BELOW) {
      logger.warn(
        {},
        `SLUICE_ADMIN_KEY has fewer than ${WEAK_BELOW} characters and can be guessed`,
      );
    }
    return new AuthSecrets(pepper, adminKey);
  }
}

function randomPepper(): string {
  return randomBytes(32).toString('base64url');
}

async function keptSecret(file: string, generate: () => string): Promise<string> {
  const secret = String(await keptFile(file, () => `${generate()}\n`)).trim();
  if (secret === '') throw new Error(`${file} is empty. Delete it, and a new secret is written.`);
  // Copied by hand or restored from a backup, it may have become readable to others.
  if (((await stat(file)).mode & 0o77) !== 0) await chmod(file, 0o600);
  return secret;
}
