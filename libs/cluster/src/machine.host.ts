import type { Answer, Call, Port, ToOwner, ToWorker } from './messages.js';

/** Methods by name. What is not in here cannot be called. */
export type HostedService = Readonly<Record<string, (...args: never[]) => unknown>>;

type WorkerPort = Port<ToOwner, ToWorker>;

interface Asked {
  readonly from: WorkerPort;
  readonly resolve: (value: unknown) => void;
}

/** The owner's end of the lines to all workers. */
export class MachineHost {
  readonly #services: ReadonlyMap<string, HostedService>;
  readonly #workers = new Set<WorkerPort>();
  readonly #asked = new Map<number, Asked>();
  #next = 0;

  constructor(services: Readonly<Record<string, HostedService>>) {
    this.#services = new Map(Object.entries(services));
  }

  /** Serves one more worker. Returns the function that ends it, for when the worker has gone. */
  attach(port: WorkerPort): () => void {
    this.#workers.add(port);
    port.onMessage((message) => this.#hear(port, message));
    return () => {
      this.#workers.delete(port);
      for (const [id, asked] of this.#asked) {
        if (asked.from !== port) continue;
        this.#asked.delete(id);
        asked.resolve(undefined);
      }
    };
  }

  /** Undefined when the worker does not answer in time, has gone, or cannot say. */
  async ask(port: WorkerPort, question: string, timeoutMs: number): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(undefined), timeoutMs);
      const done = (value: unknown): void => {
        clearTimeout(timer);
        this.#asked.delete(id);
        resolve(value);
      };
      this.#asked.set(id, { from: port, resolve: done });
      port.send({ kind: 'ask', id, question });
    });
  }

  #hear(from: WorkerPort, message: ToOwner): void {
    switch (message.kind) {
      case 'calls':
        this.#answer(from, message.calls);
        return;
      case 'publish':
        for (const worker of this.#workers) if (worker !== from) worker.send(message);
        return;
      case 'reply':
        this.#asked.get(message.id)?.resolve(message.value);
    }
  }

  /** What is known at once goes back in one message, what takes longer by itself. */
  #answer(from: WorkerPort, calls: readonly Call[]): void {
    const answers: Answer[] = [];
    for (const call of calls) {
      const { id } = call;
      try {
        const value = this.#run(call);
        if (value instanceof Promise) {
          void value.then(
            (later: unknown) => from.send({ kind: 'answers', answers: [{ id, value: later }] }),
            (error: unknown) => from.send({ kind: 'answers', answers: [failure(id, error)] }),
          );
        } else {
          answers.push({ id, value });
        }
      } catch (error) {
        answers.push(failure(id, error));
      }
    }
    if (answers.length > 0) from.send({ kind: 'answers', answers });
  }

  #run({ service, method, args }: Call): unknown {
    const methods = this.#services.get(service);
    const run =
      methods !== undefined && Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (run === undefined) throw new Error(`no service ${service}.${method}`);
    // Both ends declare the same port of their room; the compiler cannot see through the line.
    return run(...(args as never[]));
  }
}

function failure(id: number, error: unknown): Answer {
  if (!(error instanceof Error)) return { id, error: String(error) };
  const { code } = error as NodeJS.ErrnoException;
  return { id, error: error.message, ...(code === undefined ? {} : { code }) };
}
