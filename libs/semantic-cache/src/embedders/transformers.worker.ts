/**
 * Runs an ONNX embedding model from a local folder, in a thread of its own. The library is optional and large:
 * it is loaded only here, only when configured, and never fetches anything.
 */
import { basename, dirname, resolve } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';

type Extractor = (
  texts: string[],
  options: { pooling: 'mean'; normalize: boolean },
) => Promise<{ tolist(): number[][] }>;
interface Library {
  env: { allowRemoteModels: boolean; localModelPath: string };
  pipeline(task: 'feature-extraction', model: string): Promise<Extractor>;
}

const { path, library } = workerData as { path: string; library: string };
let extractor: Promise<Extractor> | undefined;

async function load(): Promise<Extractor> {
  let loaded: Library;
  try {
    loaded = (await import(library)) as Library;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error(`the embedder needs the optional package ${library}: npm install ${library}`, {
      cause: error,
    });
  }
  const folder = resolve(path);
  loaded.env.allowRemoteModels = false;
  loaded.env.localModelPath = dirname(folder);
  return loaded.pipeline('feature-extraction', basename(folder));
}

parentPort?.on(
  'message',
  ({ id, method, args }: { id: number; method: string; args: { texts: string[] } }) => {
    if (method === 'close') {
      parentPort?.postMessage({ id });
      return;
    }
    extractor ??= load();
    extractor
      .then((extract) => extract(args.texts, { pooling: 'mean', normalize: true }))
      .then(
        (output) => parentPort?.postMessage({ id, value: output.tolist() }),
        (error: unknown) => {
          extractor = undefined;
          parentPort?.postMessage({
            id,
            error: error instanceof Error ? error.message : String(error),
          });
        },
      );
  },
);
