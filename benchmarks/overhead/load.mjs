// The load: closed loop (each connection asks again as soon as it is answered) and open loop (calls start at
// a fixed rate whatever the server does, and are timed from when they should have started: queueing counts).
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from './connection.mjs';

/** What one run found; runs of one subject are added up. */
export class Sample {
  totals = [];
  firsts = [];
  errors = 0;
  seconds = 0;
  cpuMs = 0;

  add(from, { status, first, end }) {
    if (status < 200 || status > 299) {
      this.errors++;
      return;
    }
    this.totals.push(end - from);
    this.firsts.push(first - from);
  }

  summary() {
    const calls = this.totals.length;
    return {
      calls,
      errors: this.errors,
      perSecond: round(calls / this.seconds),
      ...percentiles(this.totals),
      ...prefixed('first', percentiles(this.firsts)),
      cpuMicros: calls === 0 ? null : round((this.cpuMs * 1000) / calls),
    };
  }
}

/**
 * @param target {path, headers, body(), leave?()}: `body` makes the next body, `leave` says whether its caller leaves early
 * @param options {connections, seconds | calls}
 * @param into the {@link Sample} to add to
 */
export async function closedLoop(server, target, options, into = new Sample()) {
  const { connections, seconds = Infinity, calls = Infinity } = options;
  return withConnections(server, target, connections, into, (start) => {
    const until = start + seconds * 1000;
    let left = calls;
    return async (connection) => {
      while (performance.now() < until && left-- > 0) {
        const from = performance.now();
        await settle(into, from, ask(connection, target));
      }
    };
  });
}

/** @param options {connections, seconds, rate}: calls per second, over at most so many connections */
export async function openLoop(server, target, options, into = new Sample()) {
  const { connections, seconds, rate } = options;
  return withConnections(server, target, connections, into, (start) => {
    const total = Math.floor(rate * seconds);
    let next = 0;
    return async (connection) => {
      while (next < total) {
        const due = start + (next++ * 1000) / rate;
        const wait = due - performance.now();
        // A connection that was free in time counts from when it asked: timers come late, and that is not the
        // server's delay. One that was still busy counts from when it should have asked.
        if (wait > 0) await sleep(wait);
        await settle(into, wait > 0 ? performance.now() : due, ask(connection, target));
      }
    };
  });
}

/** Opens the connections with one call each that is not measured, then measures until all have done their work. */
async function withConnections(server, { path, headers = {}, body }, count, into, makeWork) {
  const all = Array.from({ length: count }, () => new Connection(server.url, path, headers));
  try {
    await Promise.all(all.map((connection) => connection.call(body())));
    const [cpu, start] = [server.cpuMs(), performance.now()];
    await Promise.all(all.map(makeWork(start)));
    into.seconds += (performance.now() - start) / 1000;
    into.cpuMs += server.cpuMs() - cpu;
  } finally {
    for (const connection of all) connection.close();
  }
  return into;
}

const ask = (connection, { body, leave }) => connection.call(body(), leave?.() ?? false);

async function settle(into, from, call) {
  try {
    into.add(from, await call);
  } catch {
    into.errors++;
    // A server that refuses connections must not make this a busy loop.
    await sleep(10);
  }
}

function percentiles(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (q) =>
    sorted.length === 0
      ? null
      : round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))], 3);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

function prefixed(prefix, values) {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${prefix}${name.toUpperCase()}`, value]),
  );
}

export function round(value, digits = 0) {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}
