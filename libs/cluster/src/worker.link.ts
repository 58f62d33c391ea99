import { MachineLink } from './machine.link.js';
import type { Answer, Call, Port, ToOwner, ToWorker } from './messages.js';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** {@link MachineLink} over a port to the owner. */
export class WorkerLink extends MachineLink {
  readonly enabled = true;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<string, ((message: string) => void)[]>();
  readonly #answers = new Map<string, () => Promise<unknown>>();
  #calls: Call[] = [];
  #next = 0;

  constructor(
    private readonly port: Port<ToWorker, ToOwner>,
    readonly first: boolean,
  ) {
    super();
    port.onMessage((message) => this.#hear(message));
  }

  call<T>(service: string, method: string, args: readonly unknown[]): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const id = this.#next++;
      // The answer's type is the service's promise, which both ends declare by the same port of their room.
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      if (this.#calls.length === 0) setImmediate(() => this.#flush());
      this.#calls.push({ id, service, method, args });
    });
  }

  publish(channel: string, message: string): void {
    this.port.send({ kind: 'publish', channel, message });
  }

  subscribe(channel: string, listener: (message: string) => void): void {
    this.#listeners.set(channel, [...(this.#listeners.get(channel) ?? []), listener]);
  }

  onAsked(question: string, answer: () => Promise<unknown>): void {
    this.#answers.set(question, answer);
  }

  #flush(): void {
    const calls = this.#calls;
    this.#calls = [];
    this.port.send({ kind: 'calls', calls });
  }

  #hear(message: ToWorker): void {
    switch (message.kind) {
      case 'answers':
        for (const answer of message.answers) this.#settle(answer);
        return;
      case 'publish':
        for (const listener of this.#listeners.get(message.channel) ?? [])
          listener(message.message);
        return;
      case 'ask':
        void this.#reply(message.id, message.question);
    }
  }

  #settle({ id, value, error, code }: Answer): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    if (error === undefined) waiting.resolve(value);
    else waiting.reject(Object.assign(new Error(error), code === undefined ? {} : { code }));
  }

  async #reply(id: number, question: string): Promise<void> {
    const value = await this.#answers
      .get(question)?.()
      .catch(() => undefined);
    this.port.send({ kind: 'reply', id, value });
  }
}
