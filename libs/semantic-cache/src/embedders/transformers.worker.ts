/**
 * {@link LocalModel} in a thread of its own.
 * A worker file is loaded by path, from sources and from the build alike: what it imports is named with its own ending.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type * as Server from '../thread-server.js';
import type * as Models from './local-model.js';

const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
// The names are of the files above.
const { serve } = (await import(`../thread-server.${ending}`)) as typeof Server;
const { LocalModel } = (await import(`./local-model.${ending}`)) as typeof Models;

if (parentPort !== null) serve(parentPort, new LocalModel(workerData as Models.LocalModelOptions));
