import type { RoutingConfig } from '@sluice/config';
import type { Clock, Grade } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';
import type { ReplicaRow, Upgrade, WindowRow } from '../sharing/replica.store.js';

export interface UpgradeState {
  readonly model: string;
  readonly grade: Grade;
  readonly calls: number;
  readonly failures: number;
  readonly success: number;
  /** Epoch ms until which the grade's work goes elsewhere; undefined when it does not. */
  readonly upgradedUntil?: number;
}

interface Slot {
  /** Epoch ms. */
  readonly start: number;
  calls: number;
  failures: number;
}
interface Entry {
  readonly slots: Slot[];
  /** What other replicas saw, by replica and slot. */
  readonly others: Map<string, Slot>;
  /** Epoch ms: a clean sheet from here on. */
  since: number;
  upgradedUntil: number;
  /** How often in a row the way back failed: each time the cooldown doubles. */
  relapses: number;
}

const SUBJECT = 'success:';
const SLOTS = 10;
const MAX_ENTRIES = 2000;
const MAX_RELAPSES = 4;
/** An unknown model is believed to fail one call in twenty, with the weight of ten calls. */
const PRIOR_CALLS = 10;
const PRIOR_SUCCESS = 0.95;

/**
 * Rolling success per model and grade. When a model fails too often at a grade, that grade's work moves up to other
 * models for a cooldown; then the model gets a fresh start, and a relapse doubles the next cooldown. What other replicas
 * saw counts like what was seen here.
 */
export class SuccessLedger {
  readonly #entries = new LRUCache<string, Entry>({ max: MAX_ENTRIES });
  readonly #changed = new Map<string, Set<Slot>>();
  #version = 0;
  #nextReturn = Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly settings: () => RoutingConfig['upgrade'],
    private readonly onUpgrade: (upgrade: Upgrade) => void = () => undefined,
  ) {}

  /** Changes with every upgrade and return: cached decisions die with it. */
  get version(): number {
    if (this.clock.now() >= this.#nextReturn) {
      this.#version++;
      this.#nextReturn = this.#earliestReturn();
    }
    return this.#version;
  }

  record(model: string, grade: Grade, ok: boolean): void {
    const now = this.clock.now();
    const settings = this.settings();
    const id = key(model, grade);
    const entry = this.#open(id);
    const slot = currentSlot(entry, now, settings.window);
    slot.calls++;
    if (!ok) slot.failures++;
    const changed = this.#changed.get(id);
    if (changed === undefined) this.#changed.set(id, new Set([slot]));
    else changed.add(slot);
    const { calls, failures } = totals(entry, now, settings.window);
    if (entry.upgradedUntil > now) return;
    if (calls < settings.minCalls || failures / calls < settings.failureRate) {
      if (entry.relapses > 0 && now - entry.upgradedUntil > settings.window) entry.relapses = 0;
      return;
    }
    const upgrade: Upgrade = {
      model,
      grade,
      // After the slot that the failures are in, even where that began this very millisecond.
      since: now + 1,
      until: now + settings.cooldown * 2 ** entry.relapses,
      relapses: Math.min(MAX_RELAPSES, entry.relapses + 1),
    };
    this.#upgrade(entry, upgrade);
    this.onUpgrade(upgrade);
  }

  /** What was recorded here since this was asked last. */
  takeChanged(): WindowRow[] {
    const rows = [...this.#changed].flatMap(([id, slots]) =>
      [...slots].map((slot) => ({ subject: `${SUBJECT}${id}`, ...slot })),
    );
    this.#changed.clear();
    return rows;
  }

  /** Takes what another replica recorded; rows about something else are left alone. */
  adopt(row: ReplicaRow): void {
    if (!row.subject.startsWith(SUBJECT)) return;
    const { others } = this.#open(row.subject.slice(SUBJECT.length));
    const oldest = this.clock.now() - this.settings().window;
    for (const [id, slot] of others) if (slot.start < oldest) others.delete(id);
    const { start, calls, failures } = row;
    if (start >= oldest) others.set(`${row.replica} ${start}`, { start, calls, failures });
  }

  /** Takes an upgrade that another replica began, unless this one knows a later one. */
  adoptUpgrade(upgrade: Upgrade): void {
    const entry = this.#open(key(upgrade.model, upgrade.grade));
    if (upgrade.since > entry.since) this.#upgrade(entry, upgrade);
  }

  #upgrade(entry: Entry, { since, until, relapses }: Upgrade): void {
    entry.upgradedUntil = until;
    entry.relapses = relapses;
    // The way back starts with a clean sheet; old failures must not send it away at once.
    entry.since = since;
    entry.slots.length = 0;
    this.#version++;
    this.#nextReturn = Math.min(this.#nextReturn, until);
  }

  isUpgraded(model: string, grade: Grade): boolean {
    return (this.#entries.peek(key(model, grade))?.upgradedUntil ?? 0) > this.clock.now();
  }

  /** Expected success (0..1), shrunk towards a prior while there are few calls. */
  success(model: string, grade: Grade): number {
    const entry = this.#entries.peek(key(model, grade));
    if (entry === undefined) return PRIOR_SUCCESS;
    const { calls, failures } = totals(entry, this.clock.now(), this.settings().window);
    return (PRIOR_CALLS * PRIOR_SUCCESS + calls - failures) / (PRIOR_CALLS + calls);
  }

  states(): UpgradeState[] {
    const now = this.clock.now();
    const window = this.settings().window;
    return [...this.#entries.entries()].map(([id, entry]) => {
      const [model, grade] = JSON.parse(id) as [string, Grade]; // written by key()
      return {
        model,
        grade,
        ...totals(entry, now, window),
        success: this.success(model, grade),
        ...(entry.upgradedUntil > now ? { upgradedUntil: entry.upgradedUntil } : {}),
      };
    });
  }

  #open(id: string): Entry {
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { slots: [], others: new Map(), since: 0, upgradedUntil: 0, relapses: 0 };
      this.#entries.set(id, entry);
    }
    return entry;
  }

  #earliestReturn(): number {
    const now = this.clock.now();
    let next = Infinity;
    for (const entry of this.#entries.values()) {
      if (entry.upgradedUntil > now) next = Math.min(next, entry.upgradedUntil);
    }
    return next;
  }
}

/** Every call asks for one of a few. */
const keys = new LRUCache<string, Map<Grade, string>>({ max: MAX_ENTRIES });

function key(model: string, grade: Grade): string {
  let ofModel = keys.get(model);
  if (ofModel === undefined) keys.set(model, (ofModel = new Map()));
  let found = ofModel.get(grade);
  if (found === undefined) ofModel.set(grade, (found = JSON.stringify([model, grade])));
  return found;
}

function currentSlot(entry: Entry, now: number, window: number): Slot {
  const width = window / SLOTS;
  // A clean sheet begins in the middle of a slot.
  const start = Math.max(Math.floor(now / width) * width, entry.since);
  const last = entry.slots.at(-1);
  if (last?.start === start) return last;
  const slot = { start, calls: 0, failures: 0 };
  entry.slots.push(slot);
  while ((entry.slots[0]?.start ?? now) < now - window) entry.slots.shift();
  return slot;
}

function totals(
  entry: Entry,
  now: number,
  window: number,
): { readonly calls: number; readonly failures: number } {
  const oldest = Math.max(now - window, entry.since);
  let calls = 0;
  let failures = 0;
  const add = (slot: Slot): void => {
    if (slot.start < oldest) return;
    calls += slot.calls;
    failures += slot.failures;
  };
  entry.slots.forEach(add);
  entry.others.forEach(add);
  return { calls, failures };
}
