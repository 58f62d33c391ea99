import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, type GatewayProcess } from '../../test/gateway/gateway-process.js';
import { ScriptedUpstream } from '../../test/upstream/scripted-upstream.js';
import { askAll, type Ask, type Seen } from './caller.js';
import {
  ANSWER_USAGE,
  bad,
  callIn,
  gatewayConfig,
  good,
  PRICES,
  streamLengths,
  type BreakerTimes,
  type Fault,
} from './plan.js';

/** One phase in numbers; what must be 0 or bounded is named in {@link broken}. */
export interface PhaseReport {
  readonly phase: string;
  readonly calls: number;
  readonly whole: number;
  /** After the first token, with an error frame: the stream was already with the client. */
  readonly failedAfterFirstToken: number;
  readonly failedBeforeFirstToken: number;
  /** Neither whole nor said to have failed. */
  readonly silentlyShort: number;
  /** Calls that went to the bad upstream, and requests that it got for them. */
  readonly visits: number;
  readonly requests: number;
  /** Calls whose bill is not what upstreams did for them. */
  readonly misbilled: number;
  /** Calls that the healthy upstream answered more than once. */
  readonly servedTwice: number;
}

/** A fifth of the calls may be tried again, and two more that earlier ones left over. */
const MOST_RETRIED = 1.2;
const SAVED_RETRIES = 2;

/** The promises that a phase broke; empty when all held. */
export function broken(report: PhaseReport): string[] {
  const { phase, failedBeforeFirstToken, silentlyShort, visits, requests, misbilled, servedTwice } =
    report;
  return [
    ...(failedBeforeFirstToken > 0
      ? [`${failedBeforeFirstToken} failed before the first token`]
      : []),
    ...(silentlyShort > 0 ? [`${silentlyShort} were silently short`] : []),
    ...(requests > MOST_RETRIED * visits + SAVED_RETRIES
      ? [`${requests} requests for ${visits} calls`]
      : []),
    ...(misbilled > 0 ? [`${misbilled} have a wrong bill`] : []),
    ...(servedTwice > 0 ? [`${servedTwice} were served twice`] : []),
  ].map((what) => `${phase}: ${what}`);
}

const ANSWER = { input: ANSWER_USAGE.prompt_tokens, output: ANSWER_USAGE.completion_tokens };
const COST = {
  bad: ANSWER.input * PRICES.bad.input + ANSWER.output * PRICES.bad.output,
  good: ANSWER.input * PRICES.good.input + ANSWER.output * PRICES.good.output,
};

const RANDOM_FAULTS: readonly Fault[] = [
  'none',
  'none',
  'none',
  '500',
  '503',
  '429',
  'reset',
  'hang',
  'slow',
  'rubbish',
];

/** A gateway process between a client and two upstreams, one of them bad by plan. */
export class Storm {
  #next = 0;
  #booked = { calls: 0, least: 0, most: 0 };
  #visits = 0;
  #requests = 0;

  private constructor(
    readonly gateway: GatewayProcess,
    readonly bad: ScriptedUpstream,
    readonly good: ScriptedUpstream,
  ) {}

  static async start(breaker: BreakerTimes): Promise<Storm> {
    const [first, second] = await Promise.all([ScriptedUpstream.start(), ScriptedUpstream.start()]);
    first.always(bad);
    second.always(good);
    const config = gatewayConfig({ bad: first.baseUrl, good: second.baseUrl }, breaker);
    const gateway = await startGateway({ config, env: { LOG_LEVEL: 'error' } });
    return new Storm(gateway, first, second);
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await Promise.all([this.bad.close(), this.good.close()]);
  }

  /** Streams of which the bad upstream sends k bytes, for every `step`th k. */
  everyCut(step: number, width: number): Promise<PhaseReport> {
    const { all } = streamLengths();
    const calls: Ask[] = [];
    for (let cut = 0; cut <= all; cut += step) calls.push(this.#call(`cut:${cut}`, true, 'bad'));
    return this.#phase(
      `streams cut at every ${step === 1 ? 'byte' : `${step}th byte`}`,
      calls,
      width,
    );
  }

  /** `count` calls with the same fault, streaming and not, named and routed. */
  async fault(fault: Fault, count: number, width: number): Promise<PhaseReport> {
    await this.#rested();
    const calls = Array.from({ length: count }, (_, i) =>
      this.#call(fault, i % 2 === 0, i % 4 < 2 ? 'bad' : 'auto'),
    );
    return this.#phase(`fault ${fault}`, calls, width);
  }

  /** `count` calls with faults and cuts by a seeded generator. */
  mixed(count: number, width: number, seed: number): Promise<PhaseReport> {
    const random = generator(seed);
    const { all } = streamLengths();
    const calls = Array.from({ length: count }, () => {
      const stream = random() < 0.5;
      const cut = stream && random() < 0.2;
      const fault: Fault = cut
        ? `cut:${Math.floor(random() * all)}`
        : (RANDOM_FAULTS[Math.floor(random() * RANDOM_FAULTS.length)] ?? 'none');
      return this.#call(fault, stream, random() < 0.5 ? 'bad' : 'auto');
    });
    return this.#phase(`all faults mixed, seed ${seed}`, calls, width);
  }

  /**
   * Opens the breaker, then sends `width` calls at once each time it lets a probe through, which fails slowly.
   * @returns how many requests reached the bad upstream in each round: one, or none
   */
  async probes(rounds: number, width: number, resetMs: number): Promise<readonly number[]> {
    const opening = Array.from({ length: 40 }, () => this.#call('500', false, 'bad'));
    await this.#phase('opening', opening, 4);
    const reached: number[] = [];
    for (let round = 0; round < rounds; round++) {
      // The wait doubles once and is capped at twice the reset.
      await sleep(resetMs * 2 + 50);
      const before = this.bad.requests.length;
      const probes = Array.from({ length: width }, () => this.#call('slow', false, 'bad'));
      const { whole } = await this.#phase('probe', probes, width);
      if (whole < width) throw new Error('a call beside a probe got no answer');
      reached.push(this.bad.requests.length - before);
    }
    return reached;
  }

  /** Requests at the bad upstream per call that went there, over everything so far. */
  get amplification(): number {
    return this.#visits === 0 ? 1 : this.#requests / this.#visits;
  }

  /** A cooldown of the phase before would keep calls from the bad upstream. */
  async #rested(): Promise<void> {
    const { gateway } = this;
    const headers = { authorization: `Bearer ${gateway.adminKey}` };
    for (;;) {
      const answer = await fetch(`${gateway.url}/v1/admin/routing/models`, { headers });
      const { data } = (await answer.json()) as {
        readonly data: readonly { readonly id: string; readonly cooldown_until: string | null }[];
      };
      const until = data.find((model) => model.id === 'bad')?.cooldown_until ?? undefined;
      if (until === undefined || Date.parse(until) <= Date.now()) return;
      await sleep(20);
    }
  }

  /**
   * The gateway's own books against what upstreams did: one row a call, and no micro-dollar too many; and all retries.
   * @returns what is wrong with them
   */
  async audit(): Promise<string[]> {
    const { calls, least, most } = this.#booked;
    const { gateway } = this;
    const url = `${gateway.url}/v1/admin/usage?from=${new Date(Date.now() - 3_600_000).toISOString()}`;
    for (;;) {
      const answer = await fetch(url, { headers: { authorization: `Bearer ${gateway.adminKey}` } });
      const { totals } = (await answer.json()) as {
        readonly totals: { readonly calls: number; readonly cost_usd: number };
      };
      if (totals.calls < calls) {
        await sleep(100);
        continue;
      }
      const cost = Math.round(totals.cost_usd * 1e6);
      return [
        ...(totals.calls > calls ? [`${totals.calls} rows for ${calls} calls`] : []),
        ...(cost < least || cost > most ? [`books ${cost}, allowed ${least} to ${most}`] : []),
        ...(this.amplification > MOST_RETRIED ? [`amplification ${this.amplification}`] : []),
      ];
    }
  }

  #book({ least, most }: Allowed): void {
    this.#booked.calls++;
    this.#booked.least += least;
    this.#booked.most += most;
  }

  #call(fault: Fault, stream: boolean, model: Ask['model']): Ask {
    this.#next++;
    return { id: `c${this.#next}`, fault, stream, model };
  }

  async #phase(phase: string, calls: readonly Ask[], width: number): Promise<PhaseReport> {
    const from = { bad: this.bad.requests.length, good: this.good.requests.length };
    const seen = await askAll(this.gateway, calls, width);
    const atBad = this.bad.requests.slice(from.bad).map((request) => callIn(request).id);
    const atGood = this.good.requests.slice(from.good).map((request) => callIn(request).id);
    const failed = seen.filter((one) => one.failed);
    const [bads, goods] = [countOf(atBad), countOf(atGood)];
    this.#visits += bads.size;
    this.#requests += atBad.length;
    const bills = seen.map((one) => {
      const served = goods.get(one.id) ?? 0;
      const allowed = allowedFor(one, bads.get(one.id) ?? 0, served);
      this.#book(allowed);
      // A stream without the upstream's usage does not tell its client what it cost.
      const told = one.costMicroUsd > 0 || !one.stream;
      return { ...allowed, served, cost: told && !one.failed ? one.costMicroUsd : allowed.least };
    });
    return {
      phase,
      calls: seen.length,
      whole: seen.filter((one) => one.whole && !one.failed).length,
      failedAfterFirstToken: failed.filter((one) => one.began).length,
      failedBeforeFirstToken: failed.filter((one) => !one.began).length,
      silentlyShort: seen.filter((one) => !one.whole && !one.failed).length,
      visits: bads.size,
      requests: atBad.length,
      misbilled: bills.filter((bill) => bill.cost < bill.least || bill.cost > bill.most).length,
      servedTwice: bills.filter((bill) => bill.served > 1).length,
    };
  }
}

/** What a call may cost, in micro-USD. */
interface Allowed {
  readonly least: number;
  readonly most: number;
}

/** Faults at which the upstream does no work, or says so. */
const REFUSED: ReadonlySet<string> = new Set(['500', '503', '429', 'reset', 'rubbish']);
/** Our own count of a prompt that nobody answered differs from the upstream's. */
const ESTIMATED: Allowed = { least: 0, most: 60 * PRICES.bad.input + ANSWER.output * 2 };

/**
 * An answer is charged once, exactly. A try that was cut short costs its prompt and what was seen of its answer at most;
 * one that the upstream refused costs nothing.
 */
function allowedFor(one: Seen, atBad: number, atGood: number): Allowed {
  const answer = atGood > 0 ? COST.good : 0;
  if (REFUSED.has(one.fault)) return { least: answer, most: answer };
  if (one.fault === 'none' && atBad > 0 && atGood === 0) return { least: COST.bad, most: COST.bad };
  return { least: answer, most: answer + atBad * Math.max(ESTIMATED.most, COST.bad) };
}

function countOf(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

/** Numbers of [0, 1) from a seed (mulberry32), so that a run can be repeated. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
