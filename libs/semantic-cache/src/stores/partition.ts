import { exactSearch, Index, MetricKind, ScalarKind } from 'usearch';

/** As few as one search gives are not compared at all: their rows are read, and with them the vectors. */
const READ_BELOW = 8;
/**
 * Up to here every vector is compared (usearch, 8-bit: 0.1 µs each), which is exact and makes an insertion cost nothing; a search in
 * a graph of as many takes as long, and each insertion as long again.
 */
const COMPARE_BELOW = 2048;
/** What a graph keeps of a vector beside its bytes: links to others, keys, the two maps. About, measured. */
const GRAPH_BYTES = 300;
/** Most that is asked of the graph for one search, dead ones among them. */
const MOST_ASKED = 2048;
/** How far the cosine of two 8-bit vectors may be from that of the vectors themselves. */
const SLACK = 0.03;

/** Reads a row's vector; undefined where there is none any more. */
type VectorOf = (row: number) => Float32Array | undefined;

/**
 * The vectors of one scope and fingerprint: a list while few, a graph when many.
 *
 * Loaded in worker threads, from sources and from the build: imports packages only.
 */
export class Partition {
  readonly #list: VectorList;
  #graph: VectorGraph | undefined;

  constructor(dimension: number, vectorOf: VectorOf) {
    this.#list = new VectorList(dimension, vectorOf);
  }

  get size(): number {
    return this.#graph?.size ?? this.#list.size;
  }

  /** Memory that V8 does not see, or not soon: about. */
  get bytes(): number {
    return this.#graph?.bytes ?? this.#list.bytes;
  }

  /** There is more in the graph that is gone than that is not. */
  get isWorn(): boolean {
    return this.#graph?.isWorn ?? false;
  }

  /** A known row is replaced. */
  add(row: number, vector: Float32Array): void {
    this.remove(row);
    if (this.#graph !== undefined) {
      this.#graph.add(row, vector);
      return;
    }
    this.#list.add(row, vector);
    if (this.#list.size > COMPARE_BELOW) this.#graph = this.#list.moveToGraph();
  }

  remove(row: number): void {
    if (this.#graph === undefined) this.#list.remove(row);
    else this.#graph.remove(row);
  }

  /**
   * Rows, nearest first as far as the 8-bit vectors tell.
   * @param least cosine; some that are a little less alike are given, too
   */
  search(vector: Float32Array, limit: number, least = -Infinity): number[] {
    const from = this.#graph ?? this.#list;
    return from.search(vector, limit, least - SLACK);
  }

  /**
   * Goes on with a new graph without what is gone, and without what cannot be read any more; begins one if there is none.
   * @returns whether it is done
   */
  renew(most: number): boolean {
    return this.#graph?.renew(most) ?? true;
  }
}

/** Rows; when more than a few, their 8-bit vectors one after the other. */
class VectorList {
  readonly #rows: number[] = [];
  readonly #dimension: number;
  readonly #vectorOf: VectorOf;
  #vectors: Int8Array | undefined;

  constructor(dimension: number, vectorOf: VectorOf) {
    this.#dimension = dimension;
    this.#vectorOf = vectorOf;
  }

  get size(): number {
    return this.#rows.length;
  }

  get bytes(): number {
    return this.#vectors?.length ?? 0;
  }

  add(row: number, vector: Float32Array): void {
    if (this.#vectors === undefined && this.size >= READ_BELOW) this.#compare();
    if (this.#vectors !== undefined) this.#put(this.#vectors, this.size, vector);
    this.#rows.push(row);
  }

  /** The last one takes its place. */
  remove(row: number): void {
    const at = this.#rows.indexOf(row);
    if (at < 0) return;
    const dimension = this.#dimension;
    const from = (this.size - 1) * dimension;
    this.#vectors?.copyWithin(at * dimension, from, from + dimension);
    this.#rows[at] = this.#rows.at(-1) ?? row;
    this.#rows.pop();
  }

  search(vector: Float32Array, limit: number, least: number): number[] {
    const { size } = this;
    const vectors = this.#vectors;
    if (vectors === undefined || size === 0) return [...this.#rows];
    const dimension = this.#dimension;
    const { keys, distances } = exactSearch(
      vectors.subarray(0, size * dimension),
      toBytes(vector),
      dimension,
      Math.min(limit, size),
      MetricKind.Cos,
      1,
    );
    const found: number[] = [];
    for (let i = 0; i < keys.length; i++) {
      if (1 - (distances[i] ?? 0) >= least) found.push(this.#rows[Number(keys[i])] ?? -1);
    }
    return found;
  }

  /** Empties itself. */
  moveToGraph(): VectorGraph {
    const vectors = this.#vectors;
    const dimension = this.#dimension;
    const graph = new VectorGraph(dimension, this.#vectorOf);
    this.#rows.forEach((row, i) => {
      const bytes = vectors?.subarray(i * dimension, (i + 1) * dimension);
      if (bytes !== undefined) graph.add(row, unit(Float32Array.from(bytes)));
    });
    this.#rows.length = 0;
    this.#vectors = undefined;
    return graph;
  }

  /** Reads the vectors of the few that were not compared so far. */
  #compare(): void {
    const read = this.#rows.map((row) => [row, this.#vectorOf(row)] as const);
    this.#rows.length = 0;
    this.#vectors = new Int8Array(READ_BELOW * 2 * this.#dimension);
    for (const [row, vector] of read) if (vector !== undefined) this.add(row, vector);
  }

  #put(into: Int8Array, index: number, vector: Float32Array): void {
    const at = index * this.#dimension;
    let room = into;
    if (at === into.length) {
      room = new Int8Array(into.length * 2);
      room.set(into);
      this.#vectors = room;
    }
    room.set(toBytes(vector), at);
  }
}

/** Its direction in 8 bits: as long as they can tell, which makes the rounding least. */
function toBytes(vector: Float32Array): Int8Array {
  let most = 0;
  for (const x of vector) most = Math.max(most, Math.abs(x));
  const scale = most === 0 ? 0 : 127 / most;
  const bytes = new Int8Array(vector.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Math.round((vector[i] ?? 0) * scale);
  return bytes;
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(cosine(vector, vector));
  return length === 0 ? vector : vector.map((x) => x / length);
}

interface Renewal {
  readonly graph: Index;
  /** Rows and keys of what is to be taken over. */
  readonly rest: readonly (readonly [row: number, key: number])[];
  at: number;
  added: number;
}

/**
 * A graph of 8-bit vectors.
 *
 * Nothing is ever removed from a graph: after some thousand removals usearch 2.25 adds no more, and then does not return.
 * What is gone stays in it, under a key that stands for no row, until there is more of it than of what is left; then
 * a new graph is made, in slices, while the old one answers.
 */
class VectorGraph {
  /** Rows in the graph by their keys, and the other way round. A row's number may come again, a key never. */
  readonly #rowOf = new Map<number, number>();
  readonly #keyOf = new Map<number, number>();
  readonly #dimension: number;
  readonly #vectorOf: VectorOf;
  #graph: Index;
  #nextKey = 0;
  #added = 0;
  #renewal: Renewal | undefined;

  constructor(dimension: number, vectorOf: VectorOf) {
    this.#dimension = dimension;
    this.#vectorOf = vectorOf;
    this.#graph = this.#empty();
  }

  get size(): number {
    return this.#keyOf.size;
  }

  get bytes(): number {
    return this.#added * (this.#dimension + GRAPH_BYTES);
  }

  get isWorn(): boolean {
    return this.#added - this.size > Math.max(COMPARE_BELOW, this.size);
  }

  add(row: number, vector: Float32Array): void {
    const key = this.#nextKey++;
    this.#graph.add(BigInt(key), vector, 1);
    this.#added++;
    if (this.#renewal !== undefined) this.#renewed(this.#renewal, key, vector);
    this.#keyOf.set(row, key);
    this.#rowOf.set(key, row);
  }

  remove(row: number): void {
    const key = this.#keyOf.get(row);
    if (key === undefined) return;
    this.#keyOf.delete(row);
    this.#rowOf.delete(key);
  }

  search(vector: Float32Array, limit: number, least: number): number[] {
    for (let ask = limit * 3; ; ask *= 4) {
      const rows: number[] = [];
      const { keys, distances } = this.#graph.search(vector, Math.min(ask, this.#added), 1);
      let isFar = false;
      for (let i = 0; i < keys.length && !isFar; i++) {
        const row = this.#rowOf.get(Number(keys[i]));
        isFar = 1 - (distances[i] ?? 0) < least;
        if (row !== undefined && !isFar) rows.push(row);
      }
      // A question that was stored anew time and again has its dead ones nearest to it.
      const all = ask >= this.#added || ask >= MOST_ASKED || rows.length >= this.size;
      if (rows.length >= limit || isFar || all) return rows.slice(0, limit);
    }
  }

  /** See {@link Partition.renew}. */
  renew(most: number): boolean {
    this.#renewal ??= { graph: this.#empty(), rest: [...this.#keyOf], at: 0, added: 0 };
    const renewal = this.#renewal;
    for (const [row, key] of renewal.rest.slice(renewal.at, renewal.at + most)) {
      renewal.at++;
      // Gone meanwhile, or another one under the same number, which add() has put into both graphs.
      if (this.#keyOf.get(row) !== key) continue;
      const vector = this.#vectorOf(row);
      if (vector === undefined) this.remove(row);
      else this.#renewed(renewal, key, vector);
    }
    if (renewal.at < renewal.rest.length) return false;
    this.#graph = renewal.graph;
    this.#added = renewal.added;
    this.#renewal = undefined;
    return true;
  }

  #renewed(renewal: Renewal, key: number, vector: Float32Array): void {
    renewal.graph.add(BigInt(key), vector, 1);
    renewal.added++;
  }

  #empty(): Index {
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
