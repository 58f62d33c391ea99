import type { MessagePort } from 'node:worker_threads';

/** What a thread does, by name. Each method takes one argument, and may throw or give a promise. */
type Methods = Readonly<Record<string, ((args: unknown) => unknown) | undefined>>;

/**
 * The far end of `WorkerThread`: calls the methods of `of` as they are asked for, and sends back what they give or throw.
 *
 * Loaded in worker threads, from sources and from the build: imports nothing.
 */
export function serve(port: Pick<MessagePort, 'on' | 'postMessage'>, of: object): void {
  // The caller on the other side names methods of this very object.
  const methods = of as Methods;
  port.on('message', ({ id, method, args }: { id: number; method: string; args: unknown }) => {
    const refuse = (error: unknown): void => {
      const { code } = error as { code?: string };
      port.postMessage({
        id,
        error: error instanceof Error ? error.message : String(error),
        ...(code === undefined ? {} : { code }),
      });
    };
    try {
      const value = methods[method]?.(args);
      if (value instanceof Promise) {
        value.then((later: unknown) => port.postMessage({ id, value: later }), refuse);
      } else port.postMessage({ id, value });
    } catch (error) {
      refuse(error);
    }
  });
}
