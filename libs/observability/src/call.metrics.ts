import type { Registry } from 'prom-client';

/*
 * Counters and histograms for what every call counts. prom-client sorts and joins the labels of each observation to find its
 * place, which some fifteen observations a call pay for; here a place is found by the values alone, in the order of the names.
 * What a scrape sees is the same.
 */

interface Description {
  readonly name: string;
  readonly help: string;
  /** At most three. */
  readonly labelNames?: readonly string[];
  readonly registers: readonly Registry[];
}

interface Labelled {
  readonly labels: Readonly<Record<string, string>>;
}

interface Value {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/** What a registry asks of a metric. */
abstract class CellMetric<Cell extends Labelled> {
  readonly name: string;
  readonly help: string;
  readonly aggregator = 'sum';
  abstract readonly type: string;
  readonly #names: readonly string[];
  readonly #cells = new Map<string, Map<string, Map<string, Cell>>>();
  readonly #all: Cell[] = [];

  constructor({ name, help, labelNames = [], registers }: Description) {
    if (labelNames.length > 3) throw new RangeError(`${name} has more than three labels`);
    this.name = name;
    this.help = help;
    this.#names = labelNames;
    // A registry's types know only its own classes.
    for (const registry of registers) registry.registerMetric(this as never);
  }

  get(): Promise<object> {
    const { name, help, type, aggregator } = this;
    // Without labels there is one value from the start.
    if (this.#names.length === 0) this.cell('', '', '');
    const values = this.#all.flatMap((cell) => this.valuesOf(cell));
    return Promise.resolve({ name, help, type, values, aggregator });
  }

  protected cell(a: string, b: string, c: string): Cell {
    return this.#cells.get(a)?.get(b)?.get(c) ?? this.#add(a, b, c);
  }

  protected abstract make(labels: Labelled['labels']): Cell;
  protected abstract valuesOf(cell: Cell): Value[];

  #add(...values: readonly [string, string, string]): Cell {
    const [a, b, c] = values;
    const cell = this.make(
      Object.fromEntries(this.#names.map((name, n) => [name, values[n] ?? ''])),
    );
    const inA = this.#cells.get(a) ?? new Map<string, Map<string, Cell>>();
    const inB = inA.get(b) ?? new Map<string, Cell>();
    this.#cells.set(a, inA.set(b, inB.set(c, cell)));
    this.#all.push(cell);
    return cell;
  }
}

interface Count extends Labelled {
  value: number;
}

export class CallCounter extends CellMetric<Count> {
  readonly type = 'counter';

  /** @param value finite and not negative; the others are the labels' values in the order of their names */
  inc(value = 1, a = '', b = '', c = ''): void {
    if (!(value >= 0 && value < Infinity))
      throw new RangeError(`${this.name} cannot grow by ${value}`);
    this.cell(a, b, c).value += value;
  }

  protected make(labels: Labelled['labels']): Count {
    return { labels, value: 0 };
  }

  protected valuesOf({ labels, value }: Count): Value[] {
    return [{ labels, value }];
  }
}

interface Distribution extends Labelled {
  /** Observations in each bucket, and behind the last one. */
  readonly counts: number[];
  sum: number;
  count: number;
}

export class CallHistogram extends CellMetric<Distribution> {
  readonly type = 'histogram';
  readonly #bounds: readonly number[];

  constructor(options: Description & { readonly buckets: readonly number[] }) {
    super(options);
    this.#bounds = options.buckets;
  }

  /** @param value finite; the others are the labels' values in the order of their names */
  observe(value: number, a = '', b = '', c = ''): void {
    if (!Number.isFinite(value)) throw new RangeError(`${this.name} cannot observe ${value}`);
    const cell = this.cell(a, b, c);
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] ?? Infinity)) bucket += 1;
    cell.counts[bucket] = (cell.counts[bucket] ?? 0) + 1;
    cell.sum += value;
    cell.count += 1;
  }

  protected make(labels: Labelled['labels']): Distribution {
    return {
      labels,
      counts: Array.from({ length: this.#bounds.length + 1 }, () => 0),
      sum: 0,
      count: 0,
    };
  }

  protected valuesOf({ labels, counts, sum, count }: Distribution): Value[] {
    const metricName = `${this.name}_bucket`;
    let below = 0;
    return [
      ...this.#bounds.map((bound, n) => {
        below += counts[n] ?? 0;
        return { labels: { le: bound, ...labels }, value: below, metricName };
      }),
      { labels: { le: '+Inf', ...labels }, value: count, metricName },
      { labels, value: sum, metricName: `${this.name}_sum` },
      { labels, value: count, metricName: `${this.name}_count` },
    ];
  }
}
