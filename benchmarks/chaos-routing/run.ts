// npm run chaos:routing [-- --calls 1200 --seeds 3]
// A gateway process between clients and two upstreams over HTTP, one of which fails by plan: 500s, 429 with Retry-After,
// resets, hangs, slow first tokens, rubbish, and streams cut at every byte. One healthy upstream is always there: nobody may
// hear of a failure before the first token, no answer may be silently short, nothing charged twice, at most one probe.
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { broken, Storm, type PhaseReport } from './storm.js';

const { values: args } = parseArgs({
  options: {
    calls: { type: 'string', default: '1200' },
    seeds: { type: 'string', default: '3' },
    name: { type: 'string', default: 'chaos-routing' },
  },
});
const RESET_MS = 300;
const reports: PhaseReport[] = [];
const problems: string[] = [];
const probes: number[] = [];

// Without a breaker every fault is met; what the retry budget leaves is then all that holds retries back.
const patient = await Storm.start({ minCalls: 1_000_000, resetMs: RESET_MS });
try {
  reports.push(await patient.everyCut(1, 8));
  for (const fault of ['500', '503', '429', 'reset', 'hang', 'slow', 'rubbish'] as const) {
    reports.push(await patient.fault(fault, fault === '429' ? 40 : 200, 25));
  }
  problems.push(...(await patient.audit()));
} finally {
  await patient.stop();
}
const guarded = await Storm.start({ minCalls: 10, resetMs: RESET_MS });
try {
  for (let seed = 1; seed <= Number(args.seeds); seed++) {
    reports.push(await guarded.mixed(Number(args.calls), 25, seed));
  }
  probes.push(...(await guarded.probes(10, 50, RESET_MS)));
  problems.push(...(await guarded.audit()));
} finally {
  await guarded.stop();
}

for (const report of reports) problems.push(...broken(report));
if (probes.some((reached) => reached > 1)) problems.push(`probes at once: ${probes.join(', ')}`);
console.table(
  Object.fromEntries(
    reports.map(({ phase, ...row }) => [
      phase,
      { ...row, amplification: (row.requests / Math.max(1, row.visits)).toFixed(3) },
    ]),
  ),
);
console.log(`requests that reached the failing upstream, by probe: ${probes.join(', ')}`);
const results = new URL('../results/', import.meta.url);
await mkdir(results, { recursive: true });
await writeFile(
  new URL(`${args.name}.json`, results),
  `${JSON.stringify({ at: new Date().toISOString(), node: process.version, reports, probes, problems }, undefined, 2)}\n`,
);
console.log(problems.length === 0 ? 'Every promise held.' : problems.join('\n'));
process.exit(problems.length === 0 ? 0 : 1);
