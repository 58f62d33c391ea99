// One gateway process of the chaos run: many calls at once against limits shared with others, until it is killed.
// argv: database URL, Redis URL or '-', ledger file, calls at once, prefix of the caller ids.
// The ledger file is the provider's truth: a line is written before a call is billed, whatever becomes of us.
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '@sluice/database';
import {
  ChatChunk,
  ChatReply,
  GatewayError,
  SystemClock,
  usage,
  type ManualClock,
} from '@sluice/kernel';
import { DeferredWork, SilentLogger } from '@sluice/observability';
import { LiveRedisConnection } from '@sluice/redis';
import { AlertWatch } from '../../libs/token-limits/src/alerts/alert.watch.js';
import { AlertWebhook } from '../../libs/token-limits/src/alerts/alert.webhook.js';
import { SqlAllowanceBank } from '../../libs/token-limits/src/persistence/sql-allowance.bank.js';
import { SqlBudgetAlertRepository } from '../../libs/token-limits/src/persistence/sql-budget-alert.repository.js';
import { ann, callOf, small, spendWorld } from '../../libs/token-limits/testing/spend-world.js';
import { POLICIES } from './policies.js';

const [url = '', redisUrl = '-', ledger = '', lanes = '10'] = process.argv.slice(2);
const logger = new SilentLogger();
const database = await Database.open({
  settings: { url, poolMax: 2, dataDir: '', embedded: 'join' },
  logger,
});
const redis = redisUrl === '-' ? undefined : new LiveRedisConnection({ url: redisUrl }, logger);
await redis?.ready(3000);
const world = spendWorld({
  policies: POLICIES,
  bank: new SqlAllowanceBank(database),
  // The world is written for a clock that stands; here it runs.
  clock: new SystemClock() as unknown as ManualClock,
  ...(redis === undefined ? {} : { redis }),
});
const alerts = new SqlBudgetAlertRepository(database);
const watch = new AlertWatch(
  alerts,
  new AlertWebhook(world.clock),
  { current: world.config.current } as never,
  world.clock,
  new DeferredWork(logger),
  logger,
);
world.engine.observe((standings) => watch.look(world.book.update(standings)));
world.engine.start();

async function one(n: number): Promise<void> {
  const caller = { ...ann, id: `c${n % 20}` };
  const output = 1 + Math.floor(Math.random() * 100);
  const bill = { usage: usage({ input: 10, output }), costMicroUsd: 10 + 2 * output };
  try {
    const reply = await world.limits.around(
      callOf(10, { caller, maxTokens: 100 }),
      async (call) => {
        await call.hold.cover(small);
        // From here on the provider bills.
        appendFileSync(ledger, `bill ${10 + output} ${bill.costMicroUsd}\n`);
        async function* words() {
          for (let i = 0; i < 5; i++) {
            await sleep(Math.random() * 60);
            yield ChatChunk.of({ type: 'text', choice: 0, text: 'x' });
          }
        }
        return ChatReply.stream(words(), () => bill);
      },
    );
    for await (const _chunk of reply.chunks()) if (Math.random() < 0.02) break;
  } catch (error) {
    const code = error instanceof GatewayError ? error.code : String(error);
    appendFileSync(ledger, `refused ${code}\n`);
    await sleep(100);
  }
}

for (let lane = 0; lane < Number(lanes); lane++) {
  void (async () => {
    for (let n = lane; ; n += Number(lanes)) await one(n);
  })();
}
