// What a row of measurements says, and how it is printed.
import { round } from './load.mjs';

const difference = (ours, bare) => (ours === null || bare === null ? null : round(ours - bare, 3));

/** What the gateway adds to the yardstick, in milliseconds. */
function added({ ours, bare }) {
  return {
    p50: difference(ours.p50, bare.p50),
    p95: difference(ours.p95, bare.p95),
    p99: difference(ours.p99, bare.p99),
    firstP50: difference(ours.firstP50, bare.firstP50),
    firstP95: difference(ours.firstP95, bare.firstP95),
    firstP99: difference(ours.firstP99, bare.firstP99),
  };
}

/** Added latency and added time to first byte of each load; ratios at saturation. */
export function summary({ one, many, open }) {
  return {
    ...(one === undefined ? {} : { addedOne: added(one) }),
    ...(open === undefined ? {} : { addedOpen: added(open) }),
    ...(many === undefined
      ? {}
      : {
          addedMany: added(many),
          cpuRatio: round(many.ours.cpuMicros / many.bare.cpuMicros, 2),
          throughputRatio: round(many.ours.perSecond / many.bare.perSecond, 2),
        }),
    // A peer that answered nothing has no figures.
    ...(many?.peer?.calls > 0
      ? {
          cpuOfPeer: round(many.ours.cpuMicros / many.peer.cpuMicros, 2),
          throughputOfPeer: round(many.ours.perSecond / many.peer.perSecond, 2),
        }
      : {}),
  };
}

const three = (x, first = false) =>
  x === undefined
    ? ''
    : (first ? [x.firstP50, x.firstP95, x.firstP99] : [x.p50, x.p95, x.p99])
        .map((ms) => (ms === null ? '–' : round(ms, 2)))
        .join(' / ');

export function printRow(row) {
  const { many, open } = row;
  const errors = [row.one, many, open].reduce((sum, load) => sum + (load?.ours.errors ?? 0), 0);
  console.log(
    `${row.setting.padEnd(22)}` +
      (many === undefined
        ? ''
        : ` ours ${many.ours.perSecond}/s ${many.ours.cpuMicros} µs, bare ${many.bare.perSecond}/s ${many.bare.cpuMicros} µs`) +
      (many?.peer === undefined
        ? ''
        : `, peer ${many.peer.perSecond}/s ${many.peer.cpuMicros} µs`) +
      ` | open loop at ${open.rate}/s: added ${three(row.addedOpen)} ms` +
      (errors > 0 ? ` | ERRORS ${errors}` : ''),
  );
}

export function printTable(rows) {
  console.log('\nAdded latency and added time to first byte: p50 / p95 / p99 in ms');
  console.table(
    rows.map((row) => ({
      setting: row.setting,
      '1 connection': three(row.addedOne),
      'first byte': three(row.addedOne, true),
      [`64, open loop`]: three(row.addedOpen),
      'first byte, 64': three(row.addedOpen, true),
      '64, saturated': three(row.addedMany),
    })),
  );
  const saturated = rows.filter((row) => row.many !== undefined);
  if (saturated.length === 0) return;
  console.log('At saturation, 64 connections');
  console.table(
    saturated.map(({ setting, many, ...row }) => ({
      setting,
      'calls/s': many.ours.perSecond,
      yardstick: many.bare.perSecond,
      '×': row.throughputRatio,
      'CPU µs': many.ours.cpuMicros,
      'of yardstick': many.bare.cpuMicros,
      'CPU ×': row.cpuRatio,
      ...(many.peer === undefined
        ? {}
        : {
            'peer calls/s': many.peer.perSecond,
            'peer CPU µs': many.peer.cpuMicros,
            'calls × peer': row.throughputOfPeer,
            'CPU × peer': row.cpuOfPeer,
          }),
    })),
  );
}
