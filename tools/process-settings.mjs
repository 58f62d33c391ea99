// How the gateway's process is started, wherever it is: npm start, the image, the benchmarks. docs/PERFORMANCE.md says what each gives.

/** Arguments of node. The young generation is V8's 16 MB when left out, and takes three times as much under load. */
export const NODE_ARGUMENTS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=32'];

/** glibc keeps an arena of freed memory for each of the many threads otherwise. */
export const ENVIRONMENT = { MALLOC_ARENA_MAX: '2' };
