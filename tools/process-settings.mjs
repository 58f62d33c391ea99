// How the gateway's process is started, wherever it is: npm start, the image, the benchmarks. docs/PERFORMANCE.md says what each gives.

/**
 * Arguments of node. What lives through a call must fit the young generation, with some dozens of calls in flight: with 4 MB
 * it is promoted instead, and collecting it there takes a quarter of all processor time. It has that size from the start: growing
 * to it takes a dozen collections while the gateway starts. The old generation is collected
 * when it has grown by 30 %: V8 would let it grow threefold, and take that much memory.
 */
export const NODE_ARGUMENTS = [
  '--disable-warning=ExperimentalWarning',
  '--min-semi-space-size=16',
  '--max-semi-space-size=16',
  '--heap-growing-percent=30',
];

/** glibc keeps an arena of freed memory for each of the many threads otherwise. */
export const ENVIRONMENT = { MALLOC_ARENA_MAX: '2' };
