import type pg from 'pg';
import { columnsOf, ROLLUPS, rollupSelect } from '../../libs/usage/src/persistence/rollups.js';
import { weekOf } from '../../libs/usage/src/jobs/partition.keeper.js';

const DAY_MS = 86_400_000;
export const SEEDED_DAYS = 60;
export const CALLERS = 2_000;

/**
 * One day of events as a busy gateway has them: 2,000 callers of very different size, eight models of four
 * providers, a third of the calls with an agent's name, durations over four orders of magnitude.
 */
const SEED_DAY = `INSERT INTO token_usage SELECT
  (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid,
  at, NULL, (tin * 0.15 + tout * 0.6 + m * 5)::bigint, CASE WHEN hit THEN 30 ELSE 0 END, 5, 0,
  us, us / 2, 300 + us % 700, CASE WHEN hit THEN 0 ELSE tin END, CASE WHEN hit THEN 0 ELSE tout END, 0, 0, 0, 1,
  200, CASE WHEN hit THEN 0 ELSE 1 END, c % 2 = 0, false, 'default', 'user-' || c, 'key_' || c,
  CASE WHEN c % 10 = 0 THEN 'paid' ELSE 'free' END,
  CASE WHEN c % 3 = 0 THEN 'agent-' || (c + m) % 12 END, NULL, '/v1/chat/completions', 'openai-chat', 'auto',
  (ARRAY['gpt-4o-mini','gpt-4o','claude-sonnet-4-5','claude-haiku-4-5','gemini-2.5-flash','gemini-2.5-pro','sandbox-small','sandbox-large'])[m + 1],
  (ARRAY['openai','openai','anthropic','anthropic','gemini','gemini','sandbox','sandbox'])[m + 1],
  CASE WHEN hit THEN 'hit' ELSE 'completed' END, NULL, CASE WHEN hit THEN 'hit' ELSE 'miss' END, 'direct', NULL, NULL
FROM (
  SELECT $1::timestamptz + n * ($2::interval / $3::int) AS at, (power(random(), 2) * ${CALLERS - 1})::int AS c,
    (random() * 400)::int + 20 AS tin, (random() * 200)::int AS tout,
    (exp(random() * 9) * 1000)::bigint AS us, random() < 0.25 AS hit,
    -- A caller has a favourite model, or two.
    (n * 7919 % 3 + hashint4(n / 17) % 2 + n) AS seed, n
  FROM generate_series(0, $3::int - 1) n
) e, LATERAL (SELECT abs(hashint4(e.c) % 8 + CASE WHEN e.n % 5 = 0 THEN 1 ELSE 0 END) % 8 AS m) model`;

/** Fills the 60 days before now, rollups included, telling how far it is. */
export async function seed(
  client: pg.Client,
  rows: number,
  progress: (done: number) => void,
): Promise<void> {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const first = today - (SEEDED_DAYS - 1) * DAY_MS;
  for (let at = first; at <= today; at += 7 * DAY_MS) {
    const { name, from, to } = weekOf(at);
    await client.query(
      `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF token_usage FOR VALUES FROM ('${from.toISOString()}') TO ('${to.toISOString()}')`,
    );
  }
  const aDay = Math.ceil(rows / SEEDED_DAYS);
  for (let at = first; at <= today; at += DAY_MS) {
    const start = new Date(at).toISOString();
    const end = new Date(at + DAY_MS).toISOString();
    // Events of today end now: nobody has usage in the future.
    const span = Math.min(DAY_MS, Date.now() - at);
    await client.query(SEED_DAY, [start, `${span} milliseconds`, aDay]);
    for (const rollup of ROLLUPS) {
      const source = `(SELECT * FROM token_usage WHERE at >= '${start}' AND at < '${end}') AS events`;
      await client.query(
        `INSERT INTO ${rollup.table} (${columnsOf(rollup).join(', ')}) ${rollupSelect(rollup, source)}`,
      );
    }
    progress((at - first) / DAY_MS + 1);
  }
  await client.query('VACUUM (ANALYZE)');
}
