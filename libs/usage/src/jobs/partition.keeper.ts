import type { Clock } from '@sluice/kernel';
import { ROLLUPS } from '../persistence/rollups.js';
import type { DatabasePool } from '@sluice/database';

const WEEK_MS = 7 * 86_400_000;
/** 1970-01-05 was the first Monday of the epoch. */
const FIRST_MONDAY_MS = 4 * 86_400_000;
const WEEKS_AHEAD = 8;
const NAME = /^token_usage_\d{8}$/;

export interface WeekPartition {
  readonly name: string;
  readonly from: Date;
  readonly to: Date;
}

/** The week (Monday 00:00 UTC to the next) that holds a moment. */
export function weekOf(ms: number): WeekPartition {
  const from = Math.floor((ms - FIRST_MONDAY_MS) / WEEK_MS) * WEEK_MS + FIRST_MONDAY_MS;
  const day = new Date(from).toISOString().slice(0, 10).replaceAll('-', '');
  return { name: `token_usage_${day}`, from: new Date(from), to: new Date(from + WEEK_MS) };
}

/** Makes the weekly partitions of `token_usage` ahead of time and drops those that nobody may keep. */
export class PartitionKeeper {
  constructor(
    private readonly db: DatabasePool,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes the weeks to come, and one for each past week whose events fell into the default partition.
   * @returns the names of the partitions that were made
   */
  async ensure(): Promise<string[]> {
    const now = this.clock.now();
    const wanted = new Map<string, WeekPartition>();
    for (let week = 0; week <= WEEKS_AHEAD; week += 1) {
      const partition = weekOf(now + week * WEEK_MS);
      wanted.set(partition.name, partition);
    }
    const { rows: strays } = await this.db.query(
      `SELECT DISTINCT (extract(epoch FROM date_trunc('week', at, 'UTC')) * 1000)::float8 AS week FROM token_usage_default`,
    );
    for (const { week } of strays) {
      const partition = weekOf(Number(week));
      wanted.set(partition.name, partition);
    }
    const existing = new Set((await this.list()).map(({ name }) => name));
    const made: string[] = [];
    for (const partition of wanted.values()) {
      if (existing.has(partition.name)) continue;
      await this.#make(partition);
      made.push(partition.name);
    }
    return made;
  }

  /** Drops the weeks that ended before `before`. @returns their names */
  async drop(before: Date): Promise<string[]> {
    const dropped: string[] = [];
    for (const { name, to } of await this.list()) {
      if (to > before) continue;
      await this.db.query(`DROP TABLE ${name}`);
      dropped.push(name);
    }
    await this.db.query('DELETE FROM token_usage_default WHERE at < $1', [before]);
    for (const { table, grain } of ROLLUPS) {
      if (grain === 'hour') await this.db.query(`DELETE FROM ${table} WHERE hour < $1`, [before]);
    }
    return dropped;
  }

  async list(): Promise<WeekPartition[]> {
    const { rows } = await this.db.query(
      `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'token_usage'::regclass ORDER BY 1`,
    );
    return rows
      .map(({ name }) => String(name))
      .filter((name) => NAME.test(name))
      .map((name) => {
        const day = name.slice('token_usage_'.length);
        return weekOf(Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`));
      });
  }

  /** Events of that week move out of the default partition first: it may not hold what the new one takes. */
  #make({ name, from, to }: WeekPartition): Promise<void> {
    const range = [from.toISOString(), to.toISOString()];
    return this.db.transaction(async (db) => {
      // Writers wait here for some milliseconds instead of failing between the move and the attachment.
      await db.query('LOCK TABLE token_usage_default IN ACCESS EXCLUSIVE MODE');
      await db.query(`CREATE TABLE ${name} (LIKE token_usage INCLUDING DEFAULTS)`);
      await db.query(
        `WITH moved AS (DELETE FROM token_usage_default WHERE at >= $1 AND at < $2 RETURNING *)
        INSERT INTO ${name} SELECT * FROM moved`,
        range,
      );
      await db.query(
        `ALTER TABLE token_usage ATTACH PARTITION ${name} FOR VALUES FROM ('${range[0]}') TO ('${range[1]}')`,
      );
    });
  }
}
