import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { QdrantSchema } from './qdrant.schema.js';

interface Condition {
  readonly key: string;
  readonly match?: { readonly value: unknown };
  readonly range?: { readonly gt?: number; readonly lte?: number };
}
interface Filter {
  readonly must: readonly Condition[];
}
interface Point {
  readonly id: string;
  readonly vector: Readonly<Record<string, number[]>>;
  readonly payload: Readonly<Record<string, unknown>>;
}
interface Collection {
  readonly size: number;
  readonly indexes: Set<string>;
  readonly points: Map<string, Point>;
}
type Body = Record<string, never> & {
  vectors: { message: { size: number } };
  field_name: string;
  points: (Point & string)[];
  query: number[];
  using: string;
  filter?: Filter;
  limit: number;
  score_threshold?: number;
  offset?: string;
  with_vector: boolean | string[];
  order_by?: { key: string };
};

/** `fine`, silent for ever, ten times a look-up's patience late, an answer that is no JSON, or a server's error. */
export type Mood = 'fine' | 'hung' | 'slow' | 'rubbish' | 'failing';

/** Qdrant as far as the vector store uses it, with every request checked against the specification. */
export class FakeQdrant {
  mood: Mood = 'fine';
  /** Requests and answers that break the specification. */
  readonly faults: string[] = [];
  readonly collections = new Map<string, Collection>();
  apiKeys: (string | undefined)[] = [];
  readonly #schema = new QdrantSchema();
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const piece of request) text += String(piece);
    if (this.mood === 'hung') return;
    if (this.mood === 'slow') await new Promise((resolve) => setTimeout(resolve, 500).unref());
    response.setHeader('content-type', 'application/json');
    if (this.mood === 'rubbish') {
      response.end('<html>{"result": tru');
      return;
    }
    if (this.mood === 'failing') {
      response.writeHead(500).end('{"status":{"error":"disk full"},"time":0}');
      return;
    }
    const { method = '', url = '' } = request;
    this.apiKeys.push(request.headers['api-key'] as string | undefined);
    const [, , name = '', ...rest] = new URL(url, 'http://x').pathname.split('/');
    const route = ['/collections/{collection_name}', ...rest].join('/');
    const body = text === '' ? undefined : (JSON.parse(text) as Body);
    const fault = this.#schema.request(method, route, body);
    if (fault !== undefined) {
      this.faults.push(fault);
      response.writeHead(400).end(JSON.stringify({ status: { error: fault }, time: 0 }));
      return;
    }
    try {
      const result = this.#result(`${method} ${rest.join('/')}`, name, body);
      const answer = { time: 0.001, status: 'ok', result };
      const wrong = this.#schema.answer(method, route, answer);
      if (wrong !== undefined) this.faults.push(wrong);
      response.end(JSON.stringify(answer));
    } catch (error) {
      response.writeHead(400).end(JSON.stringify({ status: { error: String(error) }, time: 0 }));
    }
  }

  #result(operation: string, name: string, body: Body = {} as Body): unknown {
    if (operation === 'GET exists') return { exists: this.collections.has(name) };
    if (operation === 'PUT ') {
      if (this.collections.has(name)) throw new Error(`Collection ${name} already exists`);
      const { size } = body.vectors.message;
      this.collections.set(name, { size, indexes: new Set(), points: new Map() });
      return true;
    }
    const collection = this.collections.get(name);
    if (collection === undefined) throw new Error(`no collection ${name}`);
    const { points, indexes, size } = collection;
    const matching = [...points.values()].filter((point) => fits(point, body.filter));
    switch (operation) {
      case 'PUT index':
        indexes.add(body.field_name);
        return DONE;
      case 'PUT points':
        for (const point of body.points) {
          for (const vector of Object.values(point.vector)) {
            if (vector.length !== size) throw new Error(`vector of ${vector.length}, not ${size}`);
          }
          points.set(point.id, point);
        }
        return DONE;
      case 'POST points/delete':
        for (const id of 'points' in body ? body.points : matching.map((p) => p.id)) {
          points.delete(id);
        }
        return DONE;
      case 'POST points/count':
        return { count: matching.length };
      case 'POST points/query': {
        if (body.query.length !== size) throw new Error('wrong dimension');
        const least = body.score_threshold ?? -Infinity;
        const scored = matching
          .map((point) => ({
            ...shown(point, body.with_vector),
            version: 1,
            score: dot(body.query, point.vector[body.using] ?? []),
          }))
          .filter(({ score }) => score >= least);
        return { points: scored.sort((p, q) => q.score - p.score).slice(0, body.limit) };
      }
      case 'POST points/scroll': {
        const { order_by: order, limit, offset } = body;
        if (order !== undefined && !indexes.has(order.key)) throw new Error('no index to order by');
        const by = (point: Point) => (order === undefined ? 0 : Number(point.payload[order.key]));
        const sorted = matching.sort((p, q) => by(p) - by(q) || (p.id < q.id ? -1 : 1));
        const from = sorted.filter((point) => offset === undefined || point.id >= offset);
        const next = order === undefined ? from[limit]?.id : undefined;
        return {
          points: from.slice(0, limit).map((point) => shown(point, body.with_vector)),
          next_page_offset: next ?? null,
        };
      }
      default:
        throw new Error(`not played: ${operation}`);
    }
  }
}

const DONE = { operation_id: 1, status: 'completed' };

function shown({ id, payload, vector }: Point, vectors: boolean | string[]): object {
  const names = Array.isArray(vectors) ? vectors : vectors ? Object.keys(vector) : [];
  const picked = Object.entries(vector).filter(([name]) => names.includes(name));
  return { id, payload, ...(names.length === 0 ? {} : { vector: Object.fromEntries(picked) }) };
}

function fits({ payload }: Point, filter: Filter | undefined): boolean {
  return (filter?.must ?? []).every(({ key, match, range }) => {
    const value = payload[key];
    if (match !== undefined && value !== match.value) return false;
    if (range?.gt !== undefined && !(Number(value) > range.gt)) return false;
    return range?.lte === undefined || Number(value) <= range.lte;
  });
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
}
