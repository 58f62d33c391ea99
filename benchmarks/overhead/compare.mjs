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
  optimized.rows.flatMap(({ setting, one, many }) => {
    const before = baseline.rows.find((row) => row.setting === setting);
    if (many === undefined || before?.many === undefined) return [];
    const times = (a, b) => Number((a / b).toFixed(2));
    return [
      {
        setting,
        'p50 ms, 1 connection': `${before.one.ours.p50} → ${one.ours.p50}`,
        'calls/s, 64 connections': `${before.many.ours.perSecond} → ${many.ours.perSecond}`,
        'throughput ×': times(many.ours.perSecond, before.many.ours.perSecond),
        'CPU per call ×': times(many.ours.cpuMicros, before.many.ours.cpuMicros),
      },
    ];
  }),
);
