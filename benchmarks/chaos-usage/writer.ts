// One gateway's usage path without the gateway: spool and shipper as they are, and a ledger that survives kill -9.
// Arguments: database URL, spool directory, ledger file, events a second, clock step in milliseconds, 'run' or 'drain'.
import { openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { uuidv7 } from '@sluice/kernel';
import { encodeEvent } from '../../libs/usage/src/persistence/usage.columns.js';
import { UsageShipper } from '../../libs/usage/src/shipping/usage.shipper.js';
import { UsageSpool } from '../../libs/usage/src/spool/usage.spool.js';
import { anEvent } from '../../libs/usage/src/testing/usage-events.js';

const [url = '', root = '', ledgerPath = '', rate = '0', step = '0', mode = 'run'] =
  process.argv.slice(2);
const TICK_MS = 10;
const ledger = openSync(ledgerPath, 'a');
const note = (line: string): void => {
  writeSync(ledger, `${line}\n`);
};

const pool = new pg.Pool({
  connectionString: url,
  max: 1,
  connectionTimeoutMillis: 2_000,
  query_timeout: 15_000,
});
// Crashed on purpose: a lost connection is no news here.
pool.on('error', () => undefined);

const spool = new UsageSpool({
  root,
  maxBytes: () => 64 * 1024 * 1024,
  onFault: (error) =>
    note(`f ${(error as NodeJS.ErrnoException).code ?? (error as Error).constructor.name}`),
});
await spool.open();
const shipper = new UsageShipper({
  spool,
  db: pool,
  onShipped: () => undefined,
  onRecovered: () => undefined,
  onFault: () => note('f ship'),
  onRejected: async (row) => {
    note(`r ${String(row[0])}`);
  },
});
shipper.start();
const adoption = setInterval(() => void spool.adopt(), 1_000);
const stop = new AbortController();
process.once('SIGTERM', () => {
  stop.abort();
});
note(`o ${process.pid}`);

if (mode === 'run') await write();
else await drain();

clearInterval(adoption);
await spool.flush();
const empty = await shipper.close(20_000);
await spool.close();
await pool.end();
note(`c ${empty}`);

/** Ten milliseconds' worth of calls at a time; no new ones while there is no safe place for their bills. */
async function write(): Promise<void> {
  let due = 0;
  while (!stop.signal.aborted) {
    if (spool.full) note('s');
    else due += (Number(rate) * TICK_MS) / 1000;
    for (; due >= 1; due -= 1) call();
    await delay(TICK_MS);
  }
}

function call(): void {
  const at = Date.now() + Number(step);
  const cost = 1 + Math.floor(Math.random() * 1000);
  const event = anEvent({ requestId: uuidv7(), at, caller: `c${cost % 50}`, costMicroUsd: cost });
  note(`b ${event.requestId} ${cost}`);
  void spool.append(encodeEvent(event)).then(() => {
    note(`a ${event.requestId} ${cost}`);
  });
}

async function drain(): Promise<void> {
  let quiet = 0;
  while (quiet < 3) {
    await spool.adopt();
    quiet = spool.bytes === 0 ? quiet + 1 : 0;
    await delay(200);
  }
}
