import { GenerationMap, type Caller } from '@sluice/kernel';

interface Served {
  readonly caller: Pick<Caller, 'tenant' | 'id'>;
  /** Epoch ms. */
  readonly at: number;
  judged: boolean;
}

/** Who was served which answer, of the last `least` at least, for so long. */
export class ServedAnswers {
  readonly #served: GenerationMap<Served>;

  constructor(
    least: number,
    private readonly keptMs: number,
  ) {
    this.#served = new GenerationMap(least);
  }

  add(requestId: string, caller: Caller, now: number): void {
    this.#served.set(requestId, { caller, at: now, judged: false });
  }

  /** Takes one judgement. Undefined for an answer that is not known, too old, or another caller's. */
  judge(requestId: string, caller: Caller, now: number): 'noted' | 'judged' | undefined {
    const served = this.#served.peek(requestId);
    if (served?.caller.tenant !== caller.tenant || served.caller.id !== caller.id) return undefined;
    if (now - served.at > this.keptMs) return undefined;
    if (served.judged) return 'judged';
    served.judged = true;
    return 'noted';
  }
}
