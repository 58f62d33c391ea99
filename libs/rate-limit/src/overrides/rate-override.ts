import type { Caller } from '@sluice/kernel';

/** A limit that stands in for a subject's own until it expires. */
export interface RateOverride {
  /** A caller's id, `tenant/id`, or the id of an API key. */
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
  /** Requests per hour, or no limit at all. */
  readonly perHour: number | 'unlimited';
}

/** Where overrides are kept: one per subject, the last one counts. */
export abstract class RateOverrideRepository {
  abstract save(override: RateOverride): Promise<void>;
  /** Those that have not expired. */
  abstract active(now: number): Promise<readonly RateOverride[]>;
}

/** Overrides by every name a caller may be meant by. */
export class OverrideBook {
  readonly #bySubject: ReadonlyMap<string, RateOverride>;

  constructor(overrides: readonly RateOverride[] = []) {
    this.#bySubject = new Map(overrides.map((override) => [override.subject, override]));
  }

  find(caller: Caller, now: number): RateOverride | undefined {
    if (this.#bySubject.size === 0) return undefined;
    const found =
      this.#bySubject.get(`${caller.tenant}/${caller.id}`) ??
      this.#bySubject.get(caller.id) ??
      (caller.keyId === undefined ? undefined : this.#bySubject.get(caller.keyId));
    return found !== undefined && found.until > now ? found : undefined;
  }
}
