import { QdrantClient } from '@qdrant/js-client-rest';
import {
  VectorStore,
  type VectorMatch,
  type VectorPoint,
  type VectorQuery,
  type VectorSpace,
} from './vector-store.js';

export interface QdrantOptions {
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** For everything but look-ups, which bring their own time. */
  readonly timeoutMs?: number;
}

interface Payload {
  readonly scope: string;
  readonly fingerprint: string;
  readonly key: string;
  readonly text: string;
  readonly answer: string;
  readonly stored_at: number;
  readonly expires_at: number;
}

const BATCH = 64;
const PAGE = 256;

/**
 * Vectors in Qdrant: one collection per space with the named vectors `message` and `context`, tenancy by the payload index
 * on `scope`, exact filters on fingerprint and expiry. Replicas share it.
 */
export class QdrantVectorStore extends VectorStore {
  readonly #client: QdrantClient;
  #collection = '';

  constructor(options: QdrantOptions) {
    super();
    const url = new URL(options.url);
    this.#client = new QdrantClient({
      url: options.url,
      // The client assumes 6333 where the URL names no port, also behind https on 443.
      port: url.port !== '' ? Number(url.port) : url.protocol === 'https:' ? 443 : 6333,
      ...(options.apiKey === undefined ? {} : { apiKey: options.apiKey }),
      timeout: options.timeoutMs ?? 5000,
      checkCompatibility: false,
    });
  }

  async open(space: VectorSpace): Promise<void> {
    const name = `sluice_${space.name}`;
    const { exists } = await this.#client.collectionExists(name);
    if (!exists) {
      const vector = { size: space.dimension, distance: 'Cosine', on_disk: true } as const;
      await this.#client
        .createCollection(name, {
          vectors: { message: vector, context: vector },
          // One graph per scope instead of one over all: searches are always inside a scope.
          hnsw_config: { payload_m: 16, m: 0 },
        })
        .catch(async (error: unknown) => {
          // Another replica may have been faster.
          if (!(await this.#client.collectionExists(name)).exists) throw error;
        });
    }
    const keyword = async (field: string, tenant: boolean): Promise<void> => {
      await this.#client.createPayloadIndex(name, {
        field_name: field,
        field_schema: tenant ? { type: 'keyword', is_tenant: true } : 'keyword',
        wait: true,
      });
    };
    await keyword('scope', true);
    await keyword('fingerprint', false);
    await this.#client.createPayloadIndex(name, {
      field_name: 'expires_at',
      field_schema: 'integer',
      wait: true,
    });
    this.#collection = name;
  }

  async search(query: VectorQuery): Promise<VectorMatch[]> {
    const { points } = await within(
      query.timeoutMs,
      this.#client.query(this.#opened(), {
        query: [...query.message],
        using: 'message',
        filter: {
          must: [
            { key: 'scope', match: { value: query.scope } },
            { key: 'fingerprint', match: { value: query.fingerprint } },
            { key: 'expires_at', range: { gt: query.now } },
          ],
        },
        limit: query.limit,
        score_threshold: query.least,
        with_payload: true,
        with_vector: ['context'],
      }),
    );
    return points.flatMap((point) => {
      const payload = asPayload(point.payload);
      // The filter is the server's promise; a cache of other people's answers does not take it on trust.
      if (payload?.scope !== query.scope || payload.fingerprint !== query.fingerprint) return [];
      return [
        {
          id: String(point.id),
          text: payload.text,
          answer: payload.answer,
          storedAt: payload.stored_at,
          expiresAt: payload.expires_at,
          key: payload.key,
          similarity: point.score,
          context: contextSimilarity(query.context, contextOf(point.vector)),
        },
      ];
    });
  }

  async upsert(points: readonly VectorPoint[]): Promise<void> {
    for (let i = 0; i < points.length; i += BATCH) {
      await this.#client.upsert(this.#opened(), {
        wait: true,
        points: points.slice(i, i + BATCH).map((point) => ({
          id: point.id,
          vector: {
            message: [...point.message],
            ...(point.context === undefined ? {} : { context: [...point.context] }),
          },
          payload: {
            scope: point.scope,
            fingerprint: point.fingerprint,
            key: point.key,
            text: point.text,
            answer: point.answer,
            stored_at: Math.floor(point.storedAt),
            expires_at: Math.floor(point.expiresAt),
          } satisfies Payload,
        })),
      });
    }
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.#client.delete(this.#opened(), { wait: true, points: [...ids] });
  }

  async clear(pattern: string | undefined): Promise<number> {
    const expression = pattern === undefined ? undefined : new RegExp(pattern, 'u');
    return this.#removeWhere((payload) => expression?.test(payload.key) ?? true);
  }

  async sweep(now: number, maxEntries: number): Promise<number> {
    const before = await this.count();
    await this.#client.delete(this.#opened(), {
      wait: true,
      filter: { must: [{ key: 'expires_at', range: { lte: now } }] },
    });
    const left = await this.count();
    let surplus = left - maxEntries;
    if (surplus <= 0) return before - left;
    // Without an order by time at hand, what goes first is what would expire first.
    const { points } = await this.#client.scroll(this.#opened(), {
      limit: Math.min(surplus, 10_000),
      order_by: { key: 'expires_at', direction: 'asc' },
      with_payload: false,
      with_vector: false,
    });
    surplus = points.length;
    if (surplus > 0) await this.remove(points.map((point) => String(point.id)));
    return before - left + surplus;
  }

  async count(): Promise<number> {
    return (await this.#client.count(this.#opened(), { exact: true })).count;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #removeWhere(matches: (payload: Payload) => boolean): Promise<number> {
    let offset: string | number | undefined;
    let gone = 0;
    do {
      const page = await this.#client.scroll(this.#opened(), {
        limit: PAGE,
        with_payload: true,
        with_vector: false,
        ...(offset === undefined ? {} : { offset }),
      });
      const ids = page.points.flatMap((point) => {
        const payload = asPayload(point.payload);
        return payload !== undefined && matches(payload) ? [String(point.id)] : [];
      });
      if (ids.length > 0) await this.remove(ids);
      gone += ids.length;
      const next = page.next_page_offset;
      offset = typeof next === 'string' || typeof next === 'number' ? next : undefined;
    } while (offset !== undefined);
    return gone;
  }

  #opened(): string {
    if (this.#collection === '') throw new Error('the collection is not open');
    return this.#collection;
  }
}

function asPayload(value: unknown): Payload | undefined {
  const payload = value as Partial<Payload> | null | undefined;
  return typeof payload?.answer === 'string' &&
    typeof payload.text === 'string' &&
    typeof payload.key === 'string' &&
    typeof payload.expires_at === 'number' &&
    typeof payload.stored_at === 'number'
    ? (payload as Payload)
    : undefined;
}

function contextOf(vector: unknown): number[] | undefined {
  const context = (vector as { context?: unknown } | null | undefined)?.context;
  // The client gives numbers here; sparse and multi-vectors are not used.
  return Array.isArray(context) ? (context as number[]) : undefined;
}

function contextSimilarity(mine: Float32Array | undefined, theirs: number[] | undefined): number {
  if (mine === undefined || theirs === undefined) return mine === theirs ? 1 : 0;
  let sum = 0;
  for (let i = 0; i < mine.length; i++) sum += (mine[i] ?? 0) * (theirs[i] ?? 0);
  return sum;
}

async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Qdrant did not answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
