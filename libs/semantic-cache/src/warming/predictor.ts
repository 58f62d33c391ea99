import { bounded } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';

interface Followers {
  readonly counts: Map<string, number>;
}

const MAX_KEYS = 5000;
const MAX_FOLLOWERS = 8;
/** Seen once is chance. */
const ENOUGH = 2;
const AHEAD = 2;

/**
 * Learns which key usually follows which, per pattern (`tier:priority:capabilities`) and scope, so that what comes next
 * is in memory before it is asked for. Bounded; forgets with the process.
 */
export class Predictor {
  readonly #last = new LRUCache<string, string>(bounded(MAX_KEYS));
  readonly #followers = new LRUCache<string, Followers>(bounded(MAX_KEYS));

  /** Notes an asked key and names those that usually come next, likeliest first. */
  next(pattern: string, scope: string, key: string): string[] {
    const place = `${pattern}\n${scope}`;
    const before = this.#last.get(place);
    this.#last.set(place, key);
    if (before !== undefined && before !== key) this.#count(`${pattern}\n${before}`, key);
    const known = this.#followers.get(`${pattern}\n${key}`);
    if (known === undefined) return [];
    return [...known.counts]
      .filter(([, n]) => n >= ENOUGH)
      .sort((a, b) => b[1] - a[1])
      .slice(0, AHEAD)
      .map(([follower]) => follower);
  }

  #count(from: string, to: string): void {
    const known = this.#followers.get(from) ?? { counts: new Map<string, number>() };
    known.counts.set(to, (known.counts.get(to) ?? 0) + 1);
    if (known.counts.size > MAX_FOLLOWERS) {
      const [rarest] = [...known.counts].sort((a, b) => a[1] - b[1]);
      if (rarest !== undefined) known.counts.delete(rarest[0]);
    }
    this.#followers.set(from, known);
  }
}
