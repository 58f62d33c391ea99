// npm run benchmark:compare: the ratio of the last benchmark:baseline and benchmark:optimized.
import { readFile } from 'node:fs/promises';

const read = async (name) => {
  try {
    return JSON.parse(await readFile(`benchmarks/results/${name}.json`, 'utf8'));
  } catch {
    console.error(`No benchmarks/results/${name}.json: run npm run benchmark:${name} first.`);
    process.exit(1);
  }
};
const [baseline, optimized] = [await read('baseline'), await read('optimized')];
console.log(`baseline of ${baseline.at}, optimized of ${optimized.at}`);
console.table(
  optimized.rows.flatMap((row) => {
    const before = baseline.rows.find((r) => r.setting === row.setting);
    if (before === undefined) return [];
    return [
      {
        setting: row.setting,
        'p50 ms, 1 connection': `${before.ours1.p50} → ${row.ours1.p50}`,
        'calls/s, 64 connections': `${before.ours64.perSecond} → ${row.ours64.perSecond}`,
        'throughput ×': (row.ours64.perSecond / before.ours64.perSecond).toFixed(2),
        'CPU per call ×': (row.ours64.cpuMicros / before.ours64.cpuMicros).toFixed(2),
      },
    ];
  }),
);
