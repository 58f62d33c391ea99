/** Rejects with `late()` when `work` takes longer than `ms`. The work itself is not stopped. */
export function withDeadline<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      // After a long pause of our own loop the timer fires before the reply that is waiting in the socket is
      // read. One more turn lets it in, so that our slowness is not taken for Redis's.
      setImmediate(() => reject(late()));
    }, ms);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
