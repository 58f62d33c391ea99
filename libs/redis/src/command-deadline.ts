/** A deadline is counted in so many slices. */
const SLICES = 5;

/**
 * Rejects with `late()` when `work` takes longer than `ms` of this process's own attention: a pause of our event loop,
 * however long, counts as one slice of it, so that our slowness is not taken for Redis's. The work itself is not stopped.
 */
export function withDeadline<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let left = SLICES;
    const timer = setTimeout(() => {
      if (--left > 0) timer.refresh();
      // One more turn lets in the reply that may be waiting in the socket.
      else setImmediate(() => reject(late()));
    }, ms / SLICES);
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
