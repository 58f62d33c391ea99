/**
 * A worker's line to the process that owns what the workers of one machine share. The owner outlives every worker, so
 * a call needs no timeout: it is answered, or this process has ended.
 */
export abstract class MachineLink {
  /** False when this process serves alone: then there is no owner, and nothing below may be used. */
  abstract readonly enabled: boolean;
  /** True in exactly one process of a machine: the one that does what need not be done twice. */
  abstract readonly first: boolean;
  /** @throws Error what the service threw */
  abstract call<T>(service: string, method: string, args: readonly unknown[]): Promise<T>;
  /** Tells all other workers. */
  abstract publish(channel: string, message: string): void;
  abstract subscribe(channel: string, listener: (message: string) => void): void;
  /** Answers the owner when it asks each of its workers. */
  abstract onAsked(question: string, answer: () => Promise<unknown>): void;
}

/** Stands in where one process serves alone. */
export class SoleProcess extends MachineLink {
  readonly enabled = false;
  readonly first = true;

  call<T>(): Promise<T> {
    return Promise.reject(new Error('this process serves alone'));
  }
  publish(): void {
    /* nobody else */
  }
  subscribe(): void {
    /* nobody else */
  }
  onAsked(): void {
    /* nobody asks */
  }
}
