import { basename, dirname, resolve } from 'node:path';

type Extractor = (
  texts: string[],
  options: { pooling: 'mean'; normalize: boolean },
) => Promise<{ tolist(): number[][] }>;
interface Library {
  env: { allowRemoteModels: boolean; localModelPath: string };
  pipeline(task: 'feature-extraction', model: string): Promise<Extractor>;
}

export interface LocalModelOptions {
  /** Folder of the model. */
  readonly path: string;
  /** Package or file of the library. */
  readonly library: string;
}

/**
 * An ONNX embedding model in a local folder, for a thread of its own. The library is optional and large: it is loaded only
 * here, only when configured, and never fetches anything.
 *
 * Loaded in worker threads, from sources and from the build: imports Node's modules only.
 */
export class LocalModel {
  readonly #options: LocalModelOptions;
  #extractor: Promise<Extractor> | undefined;

  constructor(options: LocalModelOptions) {
    this.#options = options;
  }

  /** @throws Error why the library or the model cannot be loaded; the next call tries again */
  async embed({ texts }: { readonly texts: string[] }): Promise<number[][]> {
    this.#extractor ??= this.#load();
    try {
      const extract = await this.#extractor;
      return (await extract(texts, { pooling: 'mean', normalize: true })).tolist();
    } catch (error) {
      this.#extractor = undefined;
      throw error;
    }
  }

  close(): void {
    this.#extractor = undefined;
  }

  async #load(): Promise<Extractor> {
    const { path, library } = this.#options;
    const loaded = (await import(library).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
      throw new Error(
        `the embedder needs the optional package ${library}: npm install ${library}`,
        { cause: error },
      );
    })) as Library;
    const folder = resolve(path);
    loaded.env.allowRemoteModels = false;
    loaded.env.localModelPath = dirname(folder);
    return loaded.pipeline('feature-extraction', basename(folder));
  }
}
