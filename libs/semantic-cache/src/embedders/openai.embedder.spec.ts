import { describe, expect, it } from '@jest/globals';
import { makeEmbedder } from './embedder.catalogue.js';
import { EmbeddingClient } from './embedding-client.js';
import { LexicalEmbedder } from './lexical.embedder.js';
import { OpenAiEmbedder } from './openai.embedder.js';

type Asked = Parameters<EmbeddingClient['embed']>[0];
class FakeClient extends EmbeddingClient {
  readonly asked: Asked[] = [];
  constructor(
    private readonly vectorOf: (text: string) => number[] = (text) => [text.length, 3],
    private readonly until: Promise<unknown> = Promise.resolve(),
  ) {
    super();
  }
  async embed(request: Asked): Promise<number[][]> {
    this.asked.push(request);
    await this.until;
    return request.texts.map(this.vectorOf);
  }
}
const options = { provider: 'open-ai', model: 'text.3', dimensions: 2, timeout: 1000 };
const embedderOf = (client?: EmbeddingClient) => new OpenAiEmbedder(options, () => client);

describe('the embedder of a provider', () => {
  it('asks once for each text, and never again for one seen before', async () => {
    const client = new FakeClient();
    const embedder = embedderOf(client);
    const [first, second, again] = await embedder.embed(['four', 'a', 'four'], 1000);
    expect(first?.[0]).toBeCloseTo(0.8, 5);
    expect(first?.[1]).toBeCloseTo(0.6, 5);
    expect(again).toBe(first);
    await embedder.embed(['a', 'new'], 1000);
    const [known] = await embedder.embed(['a'], 1000);
    expect(known).toEqual(second);
    expect(client.asked.map(({ texts }) => texts)).toEqual([['four', 'a'], ['new']]);
    expect(client.asked[0]).toMatchObject({
      provider: 'open-ai',
      model: 'text.3',
      dimensions: 2,
    });
  });

  it('names the collection by provider and model, in letters and digits', () => {
    expect(embedderOf().id).toBe('openai_open_ai_text_3');
    expect(embedderOf().dimension).toBe(2);
  });

  it('gives up when the provider takes too long, and tells it so', async () => {
    const client = new FakeClient(undefined, new Promise(() => undefined));
    const started = performance.now();
    await expect(embedderOf(client).embed(['a'], 20)).rejects.toThrow('too long');
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(client.asked[0]?.signal.aborted).toBe(true);
  });

  it('keeps nothing of an answer that failed', async () => {
    let down = true;
    const client = new FakeClient(() => {
      if (down) throw new Error('503');
      return [1, 0];
    });
    const embedder = embedderOf(client);
    await expect(embedder.embed(['a'], 1000)).rejects.toThrow('503');
    down = false;
    expect(await embedder.embed(['a'], 1000)).toHaveLength(1);
  });

  it('refuses vectors of another dimension', async () => {
    await expect(embedderOf(new FakeClient(() => [1])).embed(['a'], 1000)).rejects.toThrow(
      'the embedder gave 1 dimensions, configured are 2',
    );
  });

  it('fails while nothing is bound', async () => {
    await expect(embedderOf().embed(['a'], 1000)).rejects.toThrow('no embedding client is bound');
  });

  it('is one of the kinds that the configuration names', async () => {
    const none = () => undefined;
    expect(await makeEmbedder({ kind: 'openai', ...options }, none)).toBeInstanceOf(OpenAiEmbedder);
    expect(await makeEmbedder({ kind: 'lexical' }, none)).toBeInstanceOf(LexicalEmbedder);
  });
});
