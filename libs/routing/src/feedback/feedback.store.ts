import { bounded, type Caller, type Grade } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';

/** A call that got an answer, as far as a judgement of it must know. */
export interface AnsweredCall {
  readonly requestId: string;
  /** Epoch ms. */
  readonly at: number;
  /** Whose call it was: only they may judge it. */
  readonly caller: Pick<Caller, 'tenant' | 'id'>;
  /** The model that answered. */
  readonly model: string;
  readonly grade: Grade | undefined;
  readonly experiment?: { readonly id: string; readonly arm: string };
  /** The estimate that sent it to a simple-grade model, when that decided. */
  readonly estimate?: number;
}

/** Remembers answered calls for a day, so that feedback may come to any replica, also after a restart. */
export abstract class FeedbackStore {
  abstract keep(calls: readonly AnsweredCall[]): Promise<void>;
  /** The call, for the first who asks; `judged` for those after; undefined for a call that is unknown or somebody else's. */
  abstract judge(
    caller: AnsweredCall['caller'],
    requestId: string,
  ): Promise<AnsweredCall | 'judged' | undefined>;
  /** Forgets calls from before, epoch ms. */
  abstract forget(before: number): Promise<void>;
}

const REMEMBERED = 20_000;

export class MemoryFeedbackStore extends FeedbackStore {
  readonly #calls = new LRUCache<string, { readonly call: AnsweredCall; judged: boolean }>(
    bounded(REMEMBERED),
  );

  keep(calls: readonly AnsweredCall[]): Promise<void> {
    for (const call of calls) this.#calls.set(call.requestId, { call, judged: false });
    return Promise.resolve();
  }

  judge(
    caller: AnsweredCall['caller'],
    requestId: string,
  ): Promise<AnsweredCall | 'judged' | undefined> {
    const found = this.#calls.get(requestId);
    if (found?.call.caller.tenant !== caller.tenant || found.call.caller.id !== caller.id) {
      return Promise.resolve(undefined);
    }
    if (found.judged) return Promise.resolve('judged');
    found.judged = true;
    return Promise.resolve(found.call);
  }

  forget(): Promise<void> {
    return Promise.resolve();
  }
}
