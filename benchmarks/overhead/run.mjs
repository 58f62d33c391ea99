// npm run benchmark:overhead [-- --seconds 5 --calls 500 --peer URL --only "governed miss" --env ENABLE_X=false]
// Load generator, upstream, forwarder and gateway each in a process of its own; CPU from the kernel's
// accounting. Numbers of one run are to be compared with one another, not across machines.
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { bodies, configYaml, policiesYaml, SETTINGS } from './settings.mjs';
import { latencies, measure, round } from './load.mjs';
import { startGateway, startScript } from './processes.mjs';

const { values: args } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    calls: { type: 'string', default: '400' },
    only: { type: 'string' },
    peer: { type: 'string' },
    env: { type: 'string', multiple: true, default: [] },
    name: { type: 'string', default: 'overhead' },
    // Arguments of node for the gateway, such as --cpu-prof.
    node: { type: 'string', multiple: true, default: [] },
  },
});
const seconds = Number(args.seconds);
const calls = Number(args.calls);
const here = (file) => new URL(file, import.meta.url).pathname;

const stop = [];
const rows = [];
try {
  const upstream = await startScript(here('upstream.mjs'), []);
  stop.push(upstream.stop);
  const forwarder = await startScript(here('forwarder.mjs'), [upstream.url]);
  stop.push(forwarder.stop);
  const gateway = await startGateway({
    config: configYaml(upstream.url),
    policies: policiesYaml,
    env: Object.fromEntries(args.env.map((pair) => pair.split('='))),
    nodeArgs: args.node,
  });
  stop.push(gateway.stop);
  const key = await createKey(gateway);
  const idle = {
    rssMb: round(gateway.rssMb()),
    readyMs: round(gateway.readyMs),
    ...(await heap(gateway)),
  };

  const wanted = SETTINGS.filter((s) => args.only === undefined || s.name === args.only);
  for (const setting of wanted) {
    const ours = {
      headers: { authorization: `Bearer ${key}`, ...setting.headers },
      body: setting.body,
    };
    const path = setting.yardstick === 'static' ? '/static' : '/v1/chat/completions';
    if (setting.yardstick === 'static')
      await latencies(forwarder, { body: bodies.fixed, calls: 1 });
    const base = { path, headers: {}, body: setting.body };
    const row = { setting: setting.name };
    row.bare1 = await latencies(forwarder, { ...base, calls });
    row.ours1 = await latencies(gateway, { ...ours, calls });
    row.bare64 = await measure(forwarder, { ...base, connections: 64, seconds });
    row.ours64 = await measure(gateway, { ...ours, connections: 64, seconds });
    const rate = Math.max(10, Math.floor(row.ours64.perSecond / 2));
    row.oursOpen = await measure(gateway, { ...ours, connections: 64, seconds, rate });
    if (args.peer !== undefined && setting.yardstick === 'forwarder' && setting.name !== 'auto') {
      row.peer = await peerRow(args.peer, upstream, setting, seconds);
    }
    rows.push({ ...row, ...summary(row) });
    print(rows.at(-1));
  }
  const load = { rssMb: round(gateway.rssMb()), ...(await heap(gateway)) };
  console.log('\nidle', idle, '\nafter load', load);
  await mkdir('benchmarks/results', { recursive: true });
  const file = `benchmarks/results/${args.name}.json`;
  await writeFile(
    file,
    `${JSON.stringify({ at: new Date().toISOString(), node: process.version, seconds, env: args.env, idle, load, rows }, null, 2)}\n`,
  );
  console.log(`written to ${file}`);
} finally {
  for (const end of stop.reverse()) await end();
}

async function createKey(server) {
  const response = await fetch(`${server.url}/v1/admin/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', tier: 'bench' }),
  });
  if (!response.ok) throw new Error(`no key: ${response.status} ${await response.text()}`);
  return (await response.json()).key;
}

async function heap(server) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const match = /nodejs_heap_size_used_bytes(?:\{[^}]*\})? (\S+)/.exec(text);
  return { heapMb: round(Number(match?.[1] ?? 0) / 1024 ** 2, 1) };
}

async function peerRow(url, upstream, setting, duration) {
  const { pid } = JSON.parse(process.env.PEER_PROCESS ?? '{}');
  const { cpuMs, rssMb } = await import('./processes.mjs');
  const peer = { url, cpuMs: () => cpuMs(pid), rssMb: () => rssMb(pid) };
  const headers = {
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `${upstream.url}/v1`,
    authorization: 'Bearer bench',
  };
  return measure(peer, { headers, body: setting.body, connections: 64, seconds: duration });
}

function summary(row) {
  return {
    addedP50Ms: round(row.ours1.p50 - row.bare1.p50, 3),
    addedP99Ms: round(row.ours1.p99 - row.bare1.p99, 3),
    addedFirstP50Ms: round(row.ours1.firstP50 - row.bare1.firstP50, 3),
    addedFirstP99Ms: round(row.ours1.firstP99 - row.bare1.firstP99, 3),
    cpuRatio: round(row.ours64.cpuMicros / row.bare64.cpuMicros, 2),
    throughputRatio: round(row.ours64.perSecond / row.bare64.perSecond, 2),
    ...(row.peer === undefined
      ? {}
      : {
          cpuOfPeer: round(row.ours64.cpuMicros / row.peer.cpuMicros, 2),
          throughputOfPeer: round(row.ours64.perSecond / row.peer.perSecond, 2),
        }),
  };
}

function print(row) {
  console.log(
    `${row.setting.padEnd(14)} added p50 ${row.addedP50Ms} ms, p99 ${row.addedP99Ms} ms, first byte p99 ${row.addedFirstP99Ms} ms | ` +
      `64 conn: ours ${row.ours64.perSecond}/s ${row.ours64.cpuMicros} µs (errors ${row.ours64.errors}), bare ${row.bare64.perSecond}/s ${row.bare64.cpuMicros} µs | ` +
      `cpu × ${row.cpuRatio}, throughput × ${row.throughputRatio}` +
      (row.peer === undefined
        ? ''
        : ` | peer ${row.peer.perSecond}/s ${row.peer.cpuMicros} µs, ours/peer cpu × ${row.cpuOfPeer}, throughput × ${row.throughputOfPeer}`) +
      ` | open loop at half: p50 ${row.oursOpen.p50}, p99 ${row.oursOpen.p99} ms`,
  );
}
