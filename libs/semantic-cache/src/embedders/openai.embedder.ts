import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { Embedder } from './embedder.js';
import type { EmbeddingClient } from './embedding-client.js';
import { unit } from './lexical-vector.js';

export interface OpenAiEmbedderOptions {
  readonly provider: string;
  readonly model: string;
  readonly dimensions: number;
  /** Longest wait, whatever the look-up would allow. */
  readonly timeout: number;
}

/** Vectors that a model of a provider makes; those of texts seen before come from memory. */
export class OpenAiEmbedder extends Embedder {
  readonly id: string;
  readonly dimension: number;
  readonly kind = 'dense';
  readonly #known = new LRUCache<string, Float32Array>({
    maxSize: 16 * 1024 * 1024,
    sizeCalculation: (v) => v.byteLength,
  });

  constructor(
    private readonly options: OpenAiEmbedderOptions,
    private readonly client: () => EmbeddingClient | undefined,
  ) {
    super();
    this.id = `openai_${options.provider}_${options.model}`.replace(/\W/g, '_');
    this.dimension = options.dimensions;
  }

  async embed(texts: readonly string[], timeoutMs: number): Promise<Float32Array[]> {
    const keys = texts.map((text) => hash('sha256', text, 'base64url'));
    const missing = texts.filter((_, i) => !this.#known.has(keys[i] ?? ''));
    if (missing.length > 0) {
      const made = await this.#ask([...new Set(missing)], timeoutMs);
      for (const [text, vector] of made) this.#known.set(hash('sha256', text, 'base64url'), vector);
      return texts.map((text, i) => made.get(text) ?? this.#recall(keys[i] ?? ''));
    }
    return keys.map((key) => this.#recall(key));
  }

  #recall(key: string): Float32Array {
    const vector = this.#known.get(key);
    if (vector === undefined) throw new Error('an embedding went missing');
    return vector;
  }

  async #ask(texts: readonly string[], timeoutMs: number): Promise<Map<string, Float32Array>> {
    const client = this.client();
    if (client === undefined) throw new Error('no embedding client is bound');
    const { provider, model, dimensions, timeout } = this.options;
    const signal = AbortSignal.timeout(Math.max(1, Math.min(timeout, timeoutMs)));
    const late = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('the embedder took too long')), {
        once: true,
      });
    });
    const vectors = await Promise.race([
      client.embed({ provider, model, dimensions, texts, signal }),
      late,
    ]);
    return new Map(
      texts.map((text, i) => {
        const vector = Float32Array.from(vectors[i] ?? []);
        if (vector.length !== dimensions) {
          throw new Error(
            `the embedder gave ${vector.length} dimensions, configured are ${dimensions}`,
          );
        }
        return [text, unit(vector)] as const;
      }),
    );
  }
}
