import type { RoutingConfig } from '@sluice/config';
import type { Clock, Grade } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';

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
  index: number;
  calls: number;
  failures: number;
}
interface Entry {
  readonly slots: Slot[];
  upgradedUntil: number;
  /** How often in a row the way back failed: each time the cooldown doubles. */
  relapses: number;
  returnedAt: number;
}

const SLOTS = 10;
const MAX_ENTRIES = 2000;
const MAX_RELAPSES = 4;
/** An unknown model is believed to fail one call in twenty, with the weight of ten calls. */
const PRIOR_CALLS = 10;
const PRIOR_SUCCESS = 0.95;

/**
 * Rolling success per model and grade. When a model fails too often at a grade, that grade's work moves up to other
 * models for a cooldown; then the model gets a fresh start, and a relapse doubles the next cooldown.
 */
export class SuccessLedger {
  readonly #entries = new LRUCache<string, Entry>({ max: MAX_ENTRIES });
  #version = 0;
  #nextReturn = Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly settings: () => RoutingConfig['upgrade'],
    private readonly onUpgrade: (model: string, grade: Grade, until: number) => void = () =>
      undefined,
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
    const entry = this.#open(model, grade);
    const slot = currentSlot(entry, now, settings.window);
    slot.calls++;
    if (!ok) slot.failures++;
    const { calls, failures } = totals(entry, now, settings.window);
    if (entry.upgradedUntil > now) return;
    if (calls < settings.minCalls || failures / calls < settings.failureRate) {
      if (entry.relapses > 0 && now - entry.returnedAt > settings.window) entry.relapses = 0;
      return;
    }
    entry.upgradedUntil = now + settings.cooldown * 2 ** entry.relapses;
    entry.relapses = Math.min(MAX_RELAPSES, entry.relapses + 1);
    entry.returnedAt = entry.upgradedUntil;
    // The way back starts with a clean sheet; old failures must not send it away at once.
    entry.slots.length = 0;
    this.#version++;
    this.#nextReturn = Math.min(this.#nextReturn, entry.upgradedUntil);
    this.onUpgrade(model, grade, entry.upgradedUntil);
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

  #open(model: string, grade: Grade): Entry {
    const id = key(model, grade);
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { slots: [], upgradedUntil: 0, relapses: 0, returnedAt: 0 };
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

function key(model: string, grade: Grade): string {
  return JSON.stringify([model, grade]);
}

function currentSlot(entry: Entry, now: number, window: number): Slot {
  const index = Math.floor(now / (window / SLOTS));
  const last = entry.slots.at(-1);
  if (last?.index === index) return last;
  const slot = { index, calls: 0, failures: 0 };
  entry.slots.push(slot);
  if (entry.slots.length > SLOTS) entry.slots.shift();
  return slot;
}

function totals(entry: Entry, now: number, window: number): { calls: number; failures: number } {
  const oldest = Math.floor(now / (window / SLOTS)) - SLOTS + 1;
  let calls = 0;
  let failures = 0;
  for (const slot of entry.slots) {
    if (slot.index < oldest) continue;
    calls += slot.calls;
    failures += slot.failures;
  }
  return { calls, failures };
}
