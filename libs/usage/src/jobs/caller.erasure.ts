import { randomToken, type Clock } from '@sluice/kernel';
import type { DatabasePool, Queryable } from '@sluice/database';
import {
  DAILY_BY_AGENT,
  DAILY_BY_CALLER,
  HOURLY_BY_AGENT,
  ROLLUP_INPUT,
  rollupSelect,
  rollupUpsert,
  type Rollup,
} from '../persistence/rollups.js';

/** Spools deliver late: after an outage, or when a machine comes back. Longer than this none waits. */
const REMEMBER_MS = 30 * 86_400_000;
const NO_HURRY = `SET LOCAL statement_timeout = '10min'`;

export interface Erased {
  /** Conversations that were deleted, with the agents' states. */
  readonly sessions: number;
  readonly history: number;
  readonly agentStates: number;
  /** Events that no longer tell whose they were. Their sums stay: they were billed. */
  readonly events: number;
}

const REMEMBER = `INSERT INTO usage_erasure AS e (tenant, caller, pseudonym, erased_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, caller) DO UPDATE SET erased_at = excluded.erased_at RETURNING pseudonym`;

const COUNT_HISTORY = `WITH sessions AS (SELECT id FROM chat_session WHERE tenant = $1 AND caller = $2)
SELECT (SELECT count(*)::int FROM sessions) AS sessions,
  (SELECT count(*)::int FROM chat_history WHERE session_id IN (SELECT id FROM sessions)) AS history,
  (SELECT count(*)::int FROM agent_state WHERE session_id IN (SELECT id FROM sessions)) AS states`;

const AGENT_ROLLUPS: readonly Rollup[] = [HOURLY_BY_AGENT, DAILY_BY_AGENT];
const KEY = DAILY_BY_CALLER.key.map(({ name }) => name);
const SUMS = DAILY_BY_CALLER.measures.map(({ name }) => name);
const KEPT_KEY = KEY.filter((name) => name !== 'caller' && name !== 'agent');
const NEW_KEY = KEY.map((name) =>
  name === 'caller' ? '$3::text' : name === 'agent' ? `''` : name,
);

/** What is left after the events took theirs along: days whose events are long dropped. */
const OLD_SUMS = `WITH gone AS (
  DELETE FROM usage_daily_caller WHERE tenant = $1 AND caller = $2 RETURNING *
) ${rollupUpsert(
  DAILY_BY_CALLER,
  `SELECT ${NEW_KEY.join(', ')}, ${SUMS.map((name) => `sum(${name})::int8`).join(', ')}
  FROM gone GROUP BY ${KEPT_KEY.join(', ')}`,
)}`;

/** Moves exactly the events' own sums from where they were to where they belong. */
function moveSums(rollup: Rollup, from: string, to: string): string {
  const less = rollup.measures.map(({ name }) => `${name} = r.${name} - s.${name}`).join(', ');
  const same = rollup.key.map(({ name }) => `r.${name} = s.${name}`).join(' AND ');
  return `${rollup.table}_more AS (${rollupUpsert(rollup, rollupSelect(rollup, to))}),
  ${rollup.table}_less AS (UPDATE ${rollup.table} r SET ${less} FROM (${rollupSelect(rollup, from)}) s WHERE ${same})`;
}

const NAMELESS = ROLLUP_INPUT.map((name) => {
  if (name === 'caller') return '$3::text AS caller';
  return name === 'agent' ? 'NULL::text AS agent' : name;
});

/** The caller's events up to a moment lose caller and agent, in the events and in the rollups that name them. */
const ANONYMISE = `WITH named AS MATERIALIZED (
  SELECT ${ROLLUP_INPUT.join(', ')} FROM token_usage WHERE tenant = $1 AND caller = $2 AND at <= $4
), nameless AS (SELECT ${NAMELESS.join(', ')} FROM named),
of_agents AS (SELECT * FROM named WHERE agent <> ''),
of_none AS (SELECT ${NAMELESS.join(', ')} FROM of_agents),
${moveSums(DAILY_BY_CALLER, 'named', 'nameless')},
${AGENT_ROLLUPS.map((rollup) => moveSums(rollup, 'of_agents', 'of_none')).join(',\n')},
changed AS (
  UPDATE token_usage SET caller = $3, key_id = NULL, agent = NULL, session = NULL
  WHERE tenant = $1 AND caller = $2 AND at <= $4 RETURNING 1
) SELECT count(*)::int AS events FROM changed`;

const EMPTY = SUMS.map((name) => `${name} = 0`).join(' AND ');
const DROP_EMPTY_CALLER = `DELETE FROM usage_daily_caller WHERE tenant = $1 AND caller = $2 AND ${EMPTY}`;
const DROP_EMPTY_AGENTS = AGENT_ROLLUPS.map(
  ({ table }) => `DELETE FROM ${table} WHERE tenant = $1 AND agent <> '' AND ${EMPTY}`,
);

interface Subject {
  readonly tenant: string;
  readonly caller: string;
  readonly pseudonym: string;
}

/** The right to be forgotten: what was said is deleted, what was billed loses its name. */
export class CallerErasure {
  constructor(
    private readonly db: DatabasePool,
    private readonly clock: Clock,
  ) {}

  /** Does nothing for a caller that has no data, or that belongs to another tenant. May be repeated. */
  erase(tenant: string, caller: string): Promise<Erased> {
    return this.#locked(async (db) => {
      const now = new Date(this.clock.now());
      const fresh = `erased-${randomToken(12)}`;
      const { rows: remembered } = await db.query(REMEMBER, [tenant, caller, fresh, now]);
      const pseudonym = String(remembered[0]?.pseudonym);
      const { rows: counted } = await db.query(COUNT_HISTORY, [tenant, caller]);
      await db.query('DELETE FROM chat_session WHERE tenant = $1 AND caller = $2', [
        tenant,
        caller,
      ]);
      const subject = { tenant, caller, pseudonym };
      const events = await anonymise(db, subject, 'infinity');
      await db.query(OLD_SUMS, [tenant, caller, pseudonym]);
      return {
        sessions: Number(counted[0]?.sessions ?? 0),
        history: Number(counted[0]?.history ?? 0),
        agentStates: Number(counted[0]?.states ?? 0),
        events,
      };
    });
  }

  /** Repeats recent erasures for events that arrived after them. @returns how many events lost their name */
  async repeat(): Promise<number> {
    const forget = new Date(this.clock.now() - REMEMBER_MS);
    await this.db.query('DELETE FROM usage_erasure WHERE erased_at < $1', [forget]);
    const { rows } = await this.db.query<Subject & { readonly erased_at: Date }>(
      'SELECT tenant, caller, pseudonym, erased_at FROM usage_erasure',
    );
    let events = 0;
    for (const { erased_at: before, ...subject } of rows) {
      events += await this.#locked((db) => anonymise(db, subject, before));
    }
    return events;
  }

  /** Keeps writers of the rollups out, so that events and sums change as one. */
  #locked<T>(work: (db: Queryable) => Promise<T>): Promise<T> {
    return this.db.transaction(async (db) => {
      await db.query(NO_HURRY);
      await db.query(
        'LOCK TABLE usage_hourly_agent, usage_daily_agent, usage_daily_caller IN SHARE ROW EXCLUSIVE MODE',
      );
      return work(db);
    });
  }
}

/** @param until the caller's later events stay as they are */
async function anonymise(
  db: Queryable,
  { tenant, caller, pseudonym }: Subject,
  until: Date | 'infinity',
): Promise<number> {
  const { rows } = await db.query<{ events: number }>(ANONYMISE, [
    tenant,
    caller,
    pseudonym,
    until,
  ]);
  await db.query(DROP_EMPTY_CALLER, [tenant, caller]);
  for (const statement of DROP_EMPTY_AGENTS) await db.query(statement, [tenant]);
  return rows[0]?.events ?? 0;
}
