import { WorkerThread } from '../worker-thread.js';
import { Embedder } from './embedder.js';
import { unit } from './lexical-vector.js';

const LIBRARY = '@huggingface/transformers';
/** Reading a model from disk takes seconds; nobody's call waits for it. */
const LOAD_MS = 60_000;

/** An ONNX model in a local folder, through the optional package `@huggingface/transformers`. */
export class TransformersEmbedder extends Embedder {
  readonly id: string;
  readonly kind = 'dense';
  #dimension = 0;
  readonly #thread: WorkerThread;

  /** @param library the package or file to load instead, for tests */
  constructor(path: string, library: string = LIBRARY) {
    super();
    this.id = `transformers_${path}`.replace(/\W+/g, '_');
    this.#thread = new WorkerThread('./transformers.worker', import.meta.url, { path, library });
  }

  /** Known once the model is loaded. */
  get dimension(): number {
    return this.#dimension;
  }

  async load(): Promise<void> {
    const [vector] = await this.embed(['load'], LOAD_MS);
    this.#dimension = vector?.length ?? 0;
  }

  async embed(texts: readonly string[], timeoutMs: number): Promise<Float32Array[]> {
    const made = await this.#thread.call<number[][]>('embed', { texts: [...texts] }, timeoutMs);
    return made.map((vector) => unit(Float32Array.from(vector)));
  }

  override close(): Promise<void> {
    return this.#thread.close();
  }
}
