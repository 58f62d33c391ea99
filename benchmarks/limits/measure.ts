export interface Figures {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU time of this process alone. */
  readonly cpuUs: number;
}

/** Runs `work` for about `ms`, `lanes` at a time, after a warm-up of a fifth of it. */
export async function measure(
  ms: number,
  lanes: number,
  work: (n: number) => unknown,
): Promise<Figures> {
  let n = 0;
  const run = async (until: number, times: number[] | undefined) => {
    while (performance.now() < until) {
      // Synchronous work is timed in lots: reading the clock costs as much as the work.
      const started = performance.now();
      const first = work(n++);
      if (first instanceof Promise) {
        await first;
        times?.push(performance.now() - started);
      } else {
        for (let i = 1; i < 100; i++) work(n++);
        times?.push((performance.now() - started) / 100);
        if (n % 10_000 < 100) await new Promise(setImmediate);
      }
    }
  };
  const together = (until: number, times?: number[]) =>
    Promise.all(Array.from({ length: lanes }, () => run(until, times)));
  await together(performance.now() + ms / 5);
  n = 0;
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const started = performance.now();
  await together(started + ms, times);
  const elapsed = performance.now() - started;
  const used = process.cpuUsage(cpu);
  times.sort((a, b) => a - b);
  const at = (q: number) => round((times[Math.floor((times.length - 1) * q)] ?? 0) * 1000);
  return {
    perSecond: Math.round((n / elapsed) * 1000),
    p50Us: at(0.5),
    p99Us: at(0.99),
    cpuUs: round((used.user + used.system) / n),
  };
}

const round = (x: number) => Math.round(x * 100) / 100;
