// npm run benchmark:outage [-- --rate 100 --seconds 5]
// Three gateways over one Redis that is frozen (SIGSTOP), thawed, killed and started again, under a steady open load of
// chat calls to the sandbox: p50 and p99 of each phase, what the outage adds, faults of ours, and how long until the
// shared counters serve again. A call is timed from when it should have been sent.
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Agent, request } from 'undici';
import { startFleet } from '../../test/gateway/gateway-fleet.js';

const { values: args } = parseArgs({
  options: { rate: { type: 'string', default: '100' }, seconds: { type: 'string', default: '5' } },
});
const rate = Number(args.rate);
const POLICIES = `
tiers:
  caller: { requests: { perHour: 900000, burstPerMinute: 90000 }, tokens: { perDay: 90000000 }, budget: { monthlyUsd: 500 } }
  admin: {}
system: { budget: { monthlyUsd: 1000 } }
`;

const fleet = await startFleet({ policies: POLICIES });
const agent = new Agent({ connections: 64 });
const key = (await fleet.gateways[0]?.createKey('caller')) ?? '';
let serial = 0;

async function call(): Promise<{ status: number; degraded: boolean }> {
  const gateway = fleet.gateways[serial++ % fleet.gateways.length];
  const { statusCode, headers, body } = await request(`${gateway?.url}/v1/chat/completions`, {
    method: 'POST',
    dispatcher: agent,
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'x-sluice-cache': 'off',
    },
    body: JSON.stringify({
      model: 'sandbox-small',
      max_tokens: 10,
      messages: [{ role: 'user', content: `Say ${serial} [[sandbox tokens=8]]` }],
    }),
  });
  await body.dump();
  return { status: statusCode, degraded: headers['x-sluice-limits'] === 'degraded' };
}

interface Phase {
  readonly calls: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly faults: number;
  readonly degraded: number;
}

/** Sends at the rate until it is told to end, whatever the answers do. */
async function phase(ms: number): Promise<Phase> {
  const times: number[] = [];
  let [faults, degraded] = [0, 0];
  const open: Promise<void>[] = [];
  const started = performance.now();
  for (let n = 0; (n * 1000) / rate < ms; n++) {
    const due = started + (n * 1000) / rate;
    await sleep(Math.max(0, due - performance.now()));
    open.push(
      call().then(
        (answer) => {
          times.push(performance.now() - due);
          if (answer.status >= 500) faults++;
          if (answer.degraded) degraded++;
        },
        () => {
          faults++;
        },
      ),
    );
  }
  await Promise.all(open);
  times.sort((a, b) => a - b);
  const at = (q: number) => Math.round((times[Math.floor((times.length - 1) * q)] ?? 0) * 10) / 10;
  return { calls: open.length, p50Ms: at(0.5), p99Ms: at(0.99), faults, degraded };
}

/** Milliseconds until every gateway counts in Redis again. */
async function recovery(): Promise<number> {
  const started = performance.now();
  for (;;) {
    const answers = await Promise.all(fleet.gateways.map(call));
    if (answers.every((answer) => !answer.degraded)) return Math.round(performance.now() - started);
    await sleep(20);
  }
}

const span = Number(args.seconds) * 1000;
try {
  await phase(span);
  const healthy = await phase(span);
  fleet.redis.freeze();
  const frozen = await phase(span);
  fleet.redis.thaw();
  const afterThawMs = await recovery();
  const between = await phase(span);
  await fleet.redis.kill();
  const killed = await phase(span);
  await fleet.redis.restart();
  const afterRestartMs = await recovery();
  const phases = { healthy, frozen, between, killed };
  console.table(phases);
  const added = {
    frozenP99Ms: Math.round((frozen.p99Ms - healthy.p99Ms) * 10) / 10,
    killedP99Ms: Math.round((killed.p99Ms - between.p99Ms) * 10) / 10,
  };
  const result = { rate, phases, added, recoveryMs: { afterThawMs, afterRestartMs } };
  console.log({ added, recoveryMs: result.recoveryMs });
  const directory = new URL('../results/', import.meta.url);
  await mkdir(directory, { recursive: true });
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  await writeFile(
    new URL('limits-outage.json', directory),
    `${JSON.stringify({ at: new Date().toISOString(), machine, ...result }, null, 2)}\n`,
  );
  process.exitCode = frozen.faults + killed.faults + between.faults === 0 ? 0 : 1;
} finally {
  await agent.destroy();
  await fleet.stop();
}
