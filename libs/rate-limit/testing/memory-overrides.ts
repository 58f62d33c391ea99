import { RateOverrideRepository, type RateOverride } from '../src/overrides/rate-override.js';

/** Overrides in a map, for tests. */
export class MemoryOverrides extends RateOverrideRepository {
  readonly #saved = new Map<string, RateOverride>();
  failing = false;

  async save(override: RateOverride): Promise<void> {
    this.#saved.set(override.subject, override);
  }

  async active(now: number): Promise<readonly RateOverride[]> {
    if (this.failing) throw new Error('the database is away');
    return [...this.#saved.values()].filter((override) => override.until > now);
  }
}
