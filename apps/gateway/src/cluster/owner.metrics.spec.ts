import { afterEach, describe, expect, it } from '@jest/globals';
import { Metrics, type MetricSnapshot } from '@sluice/observability';
import { Counter, Gauge } from 'prom-client';
import { OwnerMetrics } from './owner.metrics.js';

let owner: OwnerMetrics;
afterEach(() => owner.close());

/** A worker that has served `calls`; `gone` once it no longer answers. */
function worker(calls: number) {
  const metrics = new Metrics();
  const registers = [metrics.registry];
  const counter = new Counter({ name: 'sluice_requests_total', help: 'h', registers });
  counter.inc(calls);
  new Gauge({ name: 'sluice_provider_inflight', help: 'h', registers }).set(calls);
  const state = { gone: false };
  const snapshot = async (): Promise<MetricSnapshot | undefined> =>
    state.gone ? undefined : metrics.registry.getMetricsAsJSON();
  return { snapshot, counter, state };
}

const text = (): Promise<string> => (owner.service.text as () => Promise<string>)();

describe('OwnerMetrics', () => {
  it('adds up its workers and its own process', async () => {
    const own = new Metrics();
    new Counter({ name: 'sluice_requests_total', help: 'h', registers: [own.registry] }).inc(1);
    owner = new OwnerMetrics(own);
    for (const calls of [2, 3]) owner.add(worker(calls));
    expect(await text()).toContain('sluice_requests_total 6');
  });

  it('never counts backwards when a worker ends: its counts stay, its gauges go', async () => {
    owner = new OwnerMetrics(new Metrics());
    const [dying, living] = [worker(2), worker(3)];
    owner.add(dying);
    owner.add(living);
    expect(await text()).toContain('sluice_requests_total 5');
    dying.state.gone = true;
    await owner.remove(dying);
    living.counter.inc(1);
    expect(await text()).toContain('sluice_requests_total 6');
    expect(await text()).toContain('sluice_provider_inflight 3');
  });

  it('tells what a worker last said when it does not answer', async () => {
    owner = new OwnerMetrics(new Metrics());
    const hung = worker(2);
    owner.add(hung);
    await text();
    hung.state.gone = true;
    expect(await text()).toContain('sluice_requests_total 2');
  });
});
