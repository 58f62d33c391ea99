import { describe, expect, it } from '@jest/globals';
import { Counter, Histogram, Registry } from 'prom-client';
import { CallCounter, CallHistogram } from './call.metrics.js';

const SEEN = [
  ['/v1/chat/completions', '200', 0.003],
  ['/v1/chat/completions', '200', 0.01],
  ['/v1/chat/completions', '429', 7],
  ['/v1/"odd"\\route', '200', 0.5],
] as const;
const BUCKETS = [0.005, 0.01, 1];

/** The same observations, by prom-client's classes and by ours. */
function both() {
  const [theirs, ours] = [new Registry(), new Registry()];
  const about = (name: string, registry: Registry, labelNames: string[] = []) => ({
    name,
    help: `The help of ${name}.`,
    labelNames,
    registers: [registry],
  });
  const labels = ['route', 'status'];
  const counter = new Counter(about('calls_total', theirs, labels));
  const histogram = new Histogram({ ...about('seconds', theirs, labels), buckets: BUCKETS });
  const plainCounter = new Counter(about('plain_total', theirs));
  const plainHistogram = new Histogram({ ...about('plain', theirs), buckets: BUCKETS });
  const callCounter = new CallCounter(about('calls_total', ours, labels));
  const callHistogram = new CallHistogram({ ...about('seconds', ours, labels), buckets: BUCKETS });
  const plainCallCounter = new CallCounter(about('plain_total', ours));
  const plainCallHistogram = new CallHistogram({ ...about('plain', ours), buckets: BUCKETS });
  const observe = () => {
    for (const [route, status, value] of SEEN) {
      counter.inc({ route, status }, value);
      callCounter.inc(value, route, status);
      histogram.observe({ route, status }, value);
      callHistogram.observe(value, route, status);
      plainHistogram.observe(value);
      plainCallHistogram.observe(value);
      plainCounter.inc();
      plainCallCounter.inc();
    }
  };
  return { theirs, ours, observe };
}

describe('the metrics of calls', () => {
  it('look to a scrape like those of prom-client', async () => {
    const { theirs, ours, observe } = both();
    expect(await ours.metrics()).toBe(await theirs.metrics());
    observe();
    expect(await ours.metrics()).toBe(await theirs.metrics());
  });

  it('look to another process like those of prom-client', async () => {
    const { theirs, ours, observe } = both();
    observe();
    // Exemplars, which nobody here writes, are null in prom-client's own.
    const plain = async (registry: Registry) =>
      JSON.parse(
        JSON.stringify(await registry.getMetricsAsJSON(), (key, value: unknown) =>
          key === 'exemplar' ? undefined : value,
        ),
      ) as unknown;
    expect(await plain(ours)).toEqual(await plain(theirs));
  });

  it('take nothing that is no number, and counters do not fall', () => {
    const registers = [new Registry()];
    const counter = new CallCounter({ name: 'c', help: 'c', registers });
    const histogram = new CallHistogram({ name: 'h', help: 'h', buckets: [1], registers });
    expect(() => counter.inc(-1)).toThrow('cannot grow by -1');
    expect(() => counter.inc(NaN)).toThrow('NaN');
    expect(() => histogram.observe(Infinity)).toThrow('cannot observe Infinity');
  });
});
