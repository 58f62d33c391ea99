/**
 * {@link VectorIndex} in a thread of its own.
 * A worker file is loaded by path, from sources and from the build alike: what it imports is named with its own ending.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import type * as Filters from '../exact/key-filter.js';
import type * as Codecs from '../exact/value-codec.js';
import type * as Server from '../thread-server.js';
import type * as Partitions from './partition.js';
import type * as Slices from './sliced-work.js';
import type * as Indexes from './vector-index.js';

const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
// The names are of the files above.
const { KeyFilter } = (await import(`../exact/key-filter.${ending}`)) as typeof Filters;
const { ValueCodec } = (await import(`../exact/value-codec.${ending}`)) as typeof Codecs;
const { serve } = (await import(`../thread-server.${ending}`)) as typeof Server;
const { cosine, Partition } = (await import(`./partition.${ending}`)) as typeof Partitions;
const { SlicedWork } = (await import(`./sliced-work.${ending}`)) as typeof Slices;
const { VectorIndex } = (await import(`./vector-index.${ending}`)) as typeof Indexes;

if (parentPort !== null) {
  const port = parentPort;
  // The way to V8's collector from within: a thread takes no V8 flags of its own.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const tools = { KeyFilter, ValueCodec, Partition, SlicedWork, cosine, collect };
  const options = workerData as Indexes.VectorIndexOptions;
  serve(port, new VectorIndex(options, tools, (notice) => port.postMessage({ notice })));
}
