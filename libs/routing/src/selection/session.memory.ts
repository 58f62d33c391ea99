import { bounded, type ChatCall, type Grade } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';

export interface SessionState {
  readonly model: string;
  readonly grade: Grade;
  /** The session's work touched security: follow-ups must stay on its grade. */
  readonly security: boolean;
}

const MAX_SESSIONS = 50_000;
/** Providers forget their prompt caches within the hour; so may we. */
const IDLE_MS = 30 * 60_000;

/** The model and grade each session is at. Bounded: an old session is forgotten and chooses anew. */
export class SessionMemory {
  readonly #sessions: LRUCache<string, SessionState>;

  constructor(max = MAX_SESSIONS) {
    this.#sessions = new LRUCache({ ...bounded(max), ttl: IDLE_MS, updateAgeOnGet: true });
  }

  get(call: ChatCall): SessionState | undefined {
    const key = keyOf(call);
    return key === undefined ? undefined : this.#sessions.get(key);
  }

  set(call: ChatCall, state: SessionState): void {
    const key = keyOf(call);
    if (key !== undefined) this.#sessions.set(key, state);
  }
}

/** Sessions are named by callers, so they belong to one caller: a guessed name finds nothing. */
function keyOf(call: ChatCall): string | undefined {
  if (call.session === undefined) return undefined;
  return JSON.stringify([call.caller.tenant, call.caller.id, call.session]);
}
