import type { Caller } from '@sluice/kernel';

interface Served {
  readonly caller: Pick<Caller, 'tenant' | 'id'>;
  /** Epoch ms. */
  readonly at: number;
  judged: boolean;
}

/**
 * Who was served which answer, of the last `least` at least and twice as many at most, for so long. Forgotten a generation at a
 * time: pushing the oldest out of a list for each new one is a good part of what a hit costs.
 */
export class ServedAnswers {
  #young = new Map<string, Served>();
  #old = new Map<string, Served>();

  constructor(
    private readonly least: number,
    private readonly keptMs: number,
  ) {}

  add(requestId: string, caller: Caller, now: number): void {
    if (this.#young.size >= this.least) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(requestId, { caller, at: now, judged: false });
  }

  /** Takes one judgement. Undefined for an answer that is not known, too old, or another caller's. */
  judge(requestId: string, caller: Caller, now: number): 'noted' | 'judged' | undefined {
    const served = this.#young.get(requestId) ?? this.#old.get(requestId);
    if (served?.caller.tenant !== caller.tenant || served.caller.id !== caller.id) return undefined;
    if (now - served.at > this.keptMs) return undefined;
    if (served.judged) return 'judged';
    served.judged = true;
    return 'noted';
  }
}
