// The load: closed loop (as fast as it goes) and open loop (a fixed rate, so that queueing counts).
import autocannon from 'autocannon';
import { Agent, fetch } from 'undici';

/** One measured run against `server`. `body(i)` makes the i-th body. */
export async function measure(server, options) {
  const { path = '/v1/chat/completions', body, headers = {}, connections, seconds, rate } = options;
  let sent = 0;
  const run = (duration) =>
    autocannon({
      url: server.url + path,
      method: 'POST',
      connections,
      duration,
      ...(rate === undefined ? {} : { overallRate: rate }),
      headers: { 'content-type': 'application/json', ...headers },
      requests: [{ setupRequest: (request) => ({ ...request, body: body(sent++) }) }],
    });
  await run(1); // warm-up: connections, JIT
  const cpu = server.cpuMs();
  const result = await run(seconds);
  const calls = result['2xx'];
  return {
    calls,
    errors: result.non2xx + result.errors + result.timeouts,
    perSecond: round(calls / result.duration),
    p50: round(result.latency.p50, 2),
    p97: round(result.latency.p97_5, 2),
    p99: round(result.latency.p99, 2),
    cpuMicros: calls === 0 ? null : round(((server.cpuMs() - cpu) * 1000) / calls),
    rssMb: round(server.rssMb()),
  };
}

const agent = new Agent({ connections: 1, pipelining: 1 });

/** Sequential calls over one connection, timed with sub-millisecond resolution: total and first streamed byte. */
export async function latencies(
  server,
  { path = '/v1/chat/completions', body, headers = {}, calls },
) {
  const totals = [];
  const firsts = [];
  for (let i = 0; i < calls + 20; i++) {
    const start = performance.now();
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: body(i),
      dispatcher: agent,
    });
    let first;
    for await (const _ of response.body) first ??= performance.now();
    const end = performance.now();
    if (!response.ok) throw new Error(`status ${response.status} from ${server.url}`);
    if (i < 20) continue; // warm-up
    totals.push(end - start);
    firsts.push((first ?? end) - start);
  }
  return {
    p50: percentile(totals, 0.5),
    p95: percentile(totals, 0.95),
    p99: percentile(totals, 0.99),
    firstP50: percentile(firsts, 0.5),
    firstP99: percentile(firsts, 0.99),
  };
}

export function percentile(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  return round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0, 3);
}

export function round(value, digits = 0) {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}
