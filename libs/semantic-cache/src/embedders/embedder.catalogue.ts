import type { EmbedderConfig } from '@sluice/config';
import type { Embedder } from './embedder.js';
import type { EmbeddingClient } from './embedding-client.js';
import { LexicalEmbedder } from './lexical.embedder.js';
import { OpenAiEmbedder } from './openai.embedder.js';
import { TransformersEmbedder } from './transformers.embedder.js';

/** Every kind of embedder that the configuration can name. */
export async function makeEmbedder(
  config: EmbedderConfig,
  client: () => EmbeddingClient | undefined,
): Promise<Embedder> {
  switch (config.kind) {
    case 'lexical':
      return new LexicalEmbedder();
    case 'openai':
      return new OpenAiEmbedder(config, client);
    case 'transformers': {
      const embedder = new TransformersEmbedder(config.path);
      await embedder.load().catch(async (error: unknown) => {
        await embedder.close();
        throw error;
      });
      return embedder;
    }
  }
}
