// npm run routing:replay -- --since 1d --config other.yaml: what logged decisions would have cost under other settings.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadConfig } from '@sluice/config';
import {
  DECISIONS_FOLDER,
  type LoggedDecision,
} from '../../libs/routing/src/decisions/decision.file.js';
import { replay, type ReplaySum } from './replay.simulation.js';

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const { values } = parseArgs({
  options: {
    since: { type: 'string', default: '1d' },
    config: { type: 'string' },
    data: { type: 'string' },
  },
});
const span = /^(\d+)([mhd])$/.exec(values.since);
if (span === null) fail(`--since: found "${values.since}"; expected a time such as 30m, 12h or 7d`);
const since = Date.now() - Number(span[1]) * UNITS[span[2] as keyof typeof UNITS];

const store = await loadConfig({
  ...process.env,
  ...(values.config === undefined ? {} : { SLUICE_CONFIG: values.config }),
}).catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
const folder = join(values.data ?? store.env.SLUICE_DATA_DIR, DECISIONS_FOLDER);
const decisions = readDecisions(folder, since);
if (decisions.length === 0)
  fail(`no decisions since ${new Date(since).toISOString()} in ${folder}`);

const { then, now, unroutable } = replay(decisions, store);
console.log(
  `${decisions.length} decisions since ${new Date(since).toISOString()}, ${unroutable} not comparable`,
);
console.table({ 'as decided': row(then), [values.config ?? 'current settings']: row(now) });
console.log(
  'Cost is exact for the logged tokens at the prices of these settings. The loss is the estimator’s opinion.',
);
process.exit(0);

function readDecisions(from: string, oldest: number): LoggedDecision[] {
  let files: string[];
  try {
    files = readdirSync(from).filter((name) => name.endsWith('.jsonl'));
  } catch {
    return [];
  }
  return files.flatMap((name) =>
    readFileSync(join(from, name), 'utf8')
      .split('\n')
      .flatMap((line) => {
        try {
          return [JSON.parse(line) as LoggedDecision];
        } catch {
          return []; // the torn last line of a process that died
        }
      })
      .filter((decision) => decision.at >= oldest),
  );
}

function row(sum: ReplaySum) {
  const calls = Math.max(1, sum.calls);
  return {
    calls: sum.calls,
    USD: sum.usd.toFixed(6),
    'expected loss': `${((sum.expectedLoss / calls) * 100).toFixed(1)} %`,
    models: [...sum.models].map(([model, count]) => `${model} ${count}`).join(', '),
  };
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
