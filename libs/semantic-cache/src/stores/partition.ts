import { Index, MetricKind, ScalarKind } from 'usearch';

/** Below this a plain scan is faster than a graph, exact, and costs no memory beside the vectors. */
const SCAN_BELOW = 400;
/** Most that is asked of the graph for one search, dead ones among them. */
const MOST_ASKED = 2048;

interface Renewal {
  readonly graph: Index;
  /** Rows and keys of what is to be taken over. */
  readonly rest: readonly (readonly [row: number, key: number])[];
  at: number;
  added: number;
}

/**
 * The vectors of one scope and fingerprint: a list while few, a graph (usearch, 8-bit) when many.
 *
 * Nothing is ever removed from a graph: after some thousand removals usearch 2.25 adds no more, and then does not return.
 * What is gone stays in it, under a key that stands for no row, until there is more of it than of what is left; then
 * a new graph is made, in slices, while the old one answers.
 *
 * Loaded in worker threads, from sources and from the build: imports packages only.
 */
export class Partition {
  readonly #dimension: number;
  readonly #few = new Map<number, Float32Array>();
  /** Rows in the graph by their keys, and the other way round. A row's number may come again, a key never. */
  readonly #rowOf = new Map<number, number>();
  readonly #keyOf = new Map<number, number>();
  #graph: Index | undefined;
  #nextKey = 0;
  #added = 0;
  #renewal: Renewal | undefined;

  constructor(dimension: number) {
    this.#dimension = dimension;
  }

  get size(): number {
    return this.#few.size + this.#keyOf.size;
  }

  /** There is more in the graph that is gone than that is not. */
  get isWorn(): boolean {
    return this.#added - this.#keyOf.size > Math.max(SCAN_BELOW, this.#keyOf.size);
  }

  /** A known row is replaced. */
  add(row: number, vector: Float32Array): void {
    this.remove(row);
    if (this.#graph !== undefined) {
      this.#put(row, vector);
      return;
    }
    this.#few.set(row, vector);
    if (this.#few.size <= SCAN_BELOW) return;
    this.#graph = this.#emptyGraph();
    for (const [member, its] of this.#few) this.#put(member, its);
    this.#few.clear();
  }

  remove(row: number): void {
    this.#few.delete(row);
    const key = this.#keyOf.get(row);
    if (key === undefined) return;
    this.#keyOf.delete(row);
    this.#rowOf.delete(key);
  }

  /** Rows, nearest first as far as the 8-bit vectors tell. */
  search(vector: Float32Array, limit: number): number[] {
    const graph = this.#graph;
    if (graph === undefined) return this.#scan(vector, limit);
    for (let ask = limit * 3; ; ask *= 4) {
      const rows: number[] = [];
      for (const key of graph.search(vector, Math.min(ask, this.#added), 1).keys) {
        const row = this.#rowOf.get(Number(key));
        if (row !== undefined) rows.push(row);
      }
      // A question that was stored anew time and again has its dead ones nearest to it.
      const all = ask >= this.#added || ask >= MOST_ASKED || rows.length >= this.#keyOf.size;
      if (rows.length >= limit || all) return rows.slice(0, limit);
    }
  }

  /**
   * Goes on with a new graph without what is gone; begins one if there is none.
   * @param vectorOf reads a row's vector; undefined leaves it out
   * @returns whether it is done
   */
  renew(most: number, vectorOf: (row: number) => Float32Array | undefined): boolean {
    this.#renewal ??= { graph: this.#emptyGraph(), rest: [...this.#keyOf], at: 0, added: 0 };
    const renewal = this.#renewal;
    for (const [row, key] of renewal.rest.slice(renewal.at, renewal.at + most)) {
      renewal.at++;
      // Gone meanwhile, or another one under the same number, which add() has put into both graphs.
      if (this.#keyOf.get(row) !== key) continue;
      const vector = vectorOf(row);
      if (vector === undefined) this.remove(row);
      else this.#renewed(renewal, key, vector);
    }
    if (renewal.at < renewal.rest.length) return false;
    this.#graph = renewal.graph;
    this.#added = renewal.added;
    this.#renewal = undefined;
    return true;
  }

  #scan(vector: Float32Array, limit: number): number[] {
    return [...this.#few]
      .map(([row, other]) => ({ row, score: cosine(vector, other) }))
      .sort((p, q) => q.score - p.score)
      .slice(0, limit)
      .map(({ row }) => row);
  }

  #put(row: number, vector: Float32Array): void {
    const key = this.#nextKey++;
    this.#graph?.add(BigInt(key), vector, 1);
    this.#added++;
    if (this.#renewal !== undefined) this.#renewed(this.#renewal, key, vector);
    this.#keyOf.set(row, key);
    this.#rowOf.set(key, row);
  }

  #renewed(renewal: Renewal, key: number, vector: Float32Array): void {
    renewal.graph.add(BigInt(key), vector, 1);
    renewal.added++;
  }

  #emptyGraph(): Index {
    return new Index({
      dimensions: this.#dimension,
      metric: MetricKind.Cos,
      quantization: ScalarKind.I8,
      connectivity: 16,
      expansion_add: 64,
      expansion_search: 64,
      multi: false,
    });
  }
}

/** Of unit vectors. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}
