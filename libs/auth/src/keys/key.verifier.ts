import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { bounded, Clock, GatewayError, type Caller } from '@sluice/kernel';
import { DeferredWork, Logger } from '@sluice/observability';
import type { CredentialDigest } from '../connection.digests.js';
import type { KeyRecord } from '../persistence/key.record.js';
import { unauthorized } from '../presented-credential.js';
import { KeyLookup, type FoundKey } from './key.lookup.js';

/** Older knowledge is renewed in the background while it still serves. */
const RENEW_AFTER_MS = 2_000;
/** Older knowledge is not served while the database answers: with its 1 s this keeps revocation below 5 s. */
const TRUSTED_MS = 3_500;
/** How long a caller waits for the database when something older is known, and when nothing is. */
const PATIENCE_MS = { known: 1_000, unknown: 3_000 };
/** While the database is down, keys go on that were good this long ago or later. */
const GRACE_MS = 10 * 60_000;
/** After a failure nobody waits for the database again for this long. */
const PAUSE_MS = 1_000;
const MAX_ENTRIES = 10_000;

interface Entry {
  readonly record: KeyRecord | undefined;
  readonly caller: Caller | undefined;
  readonly askedAt: number;
  renewing: boolean;
}

/**
 * Says whose key it is. A revocation reaches every replica within 5 s by itself, without a message between them:
 * nothing older than 3.5 s is served without asking, and asking takes 1 s at most. Keys in use are renewed in the
 * background, so that their callers do not wait.
 *
 * When the database is down, a key that was good at most 10 minutes ago keeps working; one that was known to be
 * revoked or expired does not; one that nothing is known about gets 503, not 401.
 */
@Injectable()
export class KeyVerifier {
  /** Two, so that a flood of wrong keys cannot push out the good ones. */
  readonly #good = new LRUCache<string, Entry>(bounded(MAX_ENTRIES));
  readonly #bad = new LRUCache<string, Entry>(bounded(MAX_ENTRIES));
  readonly #asking = new Map<string, Promise<Entry>>();
  #pausedUntil = -Infinity;

  constructor(
    private readonly lookup: KeyLookup,
    private readonly deferred: DeferredWork,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /**
   * @param digest of the whole key, with the pepper
   * @throws GatewayError unauthorized; overloaded when the database cannot say
   */
  verify({ hash, name }: CredentialDigest): Caller | Promise<Caller> {
    const entry = this.#known(name);
    if (entry === undefined) return this.#askUnknown(name, hash);
    const now = this.clock.monotonic();
    const age = now - entry.askedAt;
    const isPaused = now < this.#pausedUntil;
    if (age < TRUSTED_MS || (isPaused && age < GRACE_MS)) {
      if (age >= RENEW_AFTER_MS && !isPaused) this.#renew(entry, name, hash);
      return this.#judge(entry);
    }
    return this.#askAgain(entry, name, hash);
  }

  /** Takes over what this process itself has just changed, at once and against answers asked for earlier. */
  learn(record: KeyRecord): void {
    const name = record.hash.toString('base64url');
    // Revoked is for ever: two changes that cross each other must not undo it.
    if (record.revokedAt === null && this.#known(name)?.record?.revokedAt != null) return;
    this.#remember(name, { record, askedAt: this.clock.monotonic() });
  }

  async #askUnknown(name: string, hash: Buffer): Promise<Caller> {
    if (this.clock.monotonic() < this.#pausedUntil) throw unavailable();
    let entry: Entry;
    try {
      entry = await within(this.#ask(name, hash), PATIENCE_MS.unknown);
    } catch (error) {
      this.#pause(error);
      throw error instanceof GatewayError ? error : unavailable(error);
    }
    return this.#judge(entry);
  }

  async #askAgain(known: Entry, name: string, hash: Buffer): Promise<Caller> {
    try {
      return this.#judge(await within(this.#ask(name, hash), PATIENCE_MS.known));
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'unauthorized') throw error;
      this.#pause(error);
      if (this.clock.monotonic() - known.askedAt < GRACE_MS) return this.#judge(known);
      throw unavailable(error);
    }
  }

  #renew(entry: Entry, name: string, hash: Buffer): void {
    if (entry.renewing) return;
    entry.renewing = true;
    this.deferred.run('renew api key', async () => {
      try {
        await this.#ask(name, hash);
      } finally {
        entry.renewing = false;
      }
    });
  }

  /** One question at a time for each key. */
  #ask(name: string, hash: Buffer): Promise<Entry> {
    let asking = this.#asking.get(name);
    if (asking === undefined) {
      asking = this.lookup
        .find(hash)
        .then((found) => {
          const known = this.#known(name);
          // Something newer was learnt while the database was answering.
          const isOld = known !== undefined && known.askedAt >= found.askedAt;
          return isOld ? known : this.#remember(name, found);
        })
        .finally(() => this.#asking.delete(name));
      this.#asking.set(name, asking);
    }
    return asking;
  }

  #remember(name: string, { record, askedAt }: FoundKey): Entry {
    const caller = record === undefined ? undefined : callerOfKey(record);
    const entry: Entry = { record, caller, askedAt, renewing: false };
    const isGood = record?.revokedAt === null;
    (isGood ? this.#bad : this.#good).delete(name);
    (isGood ? this.#good : this.#bad).set(name, entry);
    return entry;
  }

  #known(name: string): Entry | undefined {
    return this.#good.get(name) ?? this.#bad.get(name);
  }

  #judge({ record, caller }: Entry): Caller {
    if (record === undefined || caller === undefined) {
      throw unauthorized('The API key is not known here. Check that it was copied whole.');
    }
    if (record.revokedAt !== null) throw unauthorized('The API key was revoked.');
    if (record.expiresAt !== null && record.expiresAt.getTime() <= this.clock.now()) {
      throw unauthorized('The API key has expired.');
    }
    return caller;
  }

  #pause(error: unknown): void {
    const now = this.clock.monotonic();
    if (now >= this.#pausedUntil) {
      this.logger.warn({ err: error }, 'API keys cannot be checked; those checked lately go on');
    }
    this.#pausedUntil = now + PAUSE_MS;
  }
}

function callerOfKey(record: KeyRecord): Caller {
  return Object.freeze({
    tenant: record.tenant,
    id: record.owner ?? record.id,
    kind: 'key',
    tier: record.tier,
    scopes: Object.freeze([...record.scopes]),
    keyId: record.id,
  });
}

function unavailable(cause?: unknown): GatewayError {
  return new GatewayError(
    'overloaded',
    'Keys cannot be checked right now. Try again in a moment.',
    {
      retryAfterMs: PAUSE_MS,
      cause,
    },
  );
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
