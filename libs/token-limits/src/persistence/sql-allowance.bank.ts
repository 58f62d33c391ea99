import { Injectable } from '@nestjs/common';
import { Database } from '@sluice/database';
import {
  AllowanceBank,
  type LeaseRequest,
  type StoredTransfer,
} from '../allowance/allowance.bank.js';
import type { Grant, Transfer } from '../ledger/spend.ledger.js';

// Does not wait for the disk: the lease that follows does, and writes out what came before it. Half of what a new caller waits.
const OPEN = `
  WITH unsynced AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS mode)
  INSERT INTO spend_allowances (counter, period, allocated)
  SELECT counter, period, 0 FROM unnest($1::text[], $2::text[]) AS t (counter, period), unsynced
  WHERE mode = 'off'
  ORDER BY counter
  ON CONFLICT DO NOTHING`;

// Rows are locked in the order of their keys, so that two leases of the same counters cannot deadlock. The giver's row
// is locked as well: two that finish the same transfer at once do it once.
const LEASE = `
  WITH claim AS (
    SELECT giver FROM spend_transfers WHERE giver = $5::text AND number < $6::bigint FOR UPDATE
  ), asked AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::boolean[])
      AS t (counter, amount, ceiling, forced)
    WHERE $5::text IS NULL OR EXISTS (SELECT FROM claim)
  ), present AS (
    SELECT s.counter, s.allocated FROM spend_allowances s
    WHERE s.counter = ANY ($1::text[]) ORDER BY s.counter FOR UPDATE
  ), granted AS (
    SELECT counter,
      CASE WHEN forced THEN greatest(amount, -allocated)
           ELSE least(amount, greatest(0, ceiling - allocated)) END AS amount
    FROM asked JOIN present USING (counter)
  ), noted AS (
    UPDATE spend_transfers SET number = $6, epoch = $7::text, at = now(), grants = coalesce(
      (SELECT jsonb_agg(jsonb_build_array(counter, amount)) FROM granted WHERE amount > 0), '[]')
    WHERE giver IN (SELECT giver FROM claim)
  )
  UPDATE spend_allowances s SET allocated = s.allocated + g.amount,
    shared = CASE WHEN $7::text IS NULL THEN s.shared
      ELSE greatest(0, g.amount + CASE WHEN s.epoch = $7 THEN s.shared ELSE 0 END) END,
    epoch = coalesce($7, s.epoch)
  FROM granted g WHERE s.counter = g.counter
  RETURNING s.counter, g.amount, s.allocated, s.shared, s.epoch`;

const TRANSFER = 'giver, number, epoch, grants';
/** Longer than Redis remembers a giver's last number. */
const GIVER_LIFE = '8 days';

interface LeasedRow {
  readonly counter: string;
  readonly amount: string;
  readonly allocated: string;
  readonly shared: string;
  readonly epoch: string;
}

interface TransferRow {
  readonly giver: string;
  readonly number: string;
  readonly epoch: string;
  readonly grants: readonly (readonly [string, number])[];
}

/** Leases in one row per counter of Postgres. */
@Injectable()
export class SqlAllowanceBank extends AllowanceBank {
  /** Rows that were seen: they need not be made again. */
  readonly #open = new Set<string>();

  constructor(private readonly database: Database) {
    super();
  }

  async lease(requests: readonly LeaseRequest[], transfer?: Transfer): Promise<readonly Grant[]> {
    const fresh = requests.map((r) => r.counter).filter((counter) => !this.#open.has(counter));
    if (fresh.length > 0) {
      const periods = fresh.map((counter) => counter.slice(counter.lastIndexOf('|') + 1));
      await this.database.writer.query(OPEN, [fresh, periods]);
    }
    const { rows } = await this.database.writer.query<LeasedRow>(LEASE, [
      requests.map((r) => r.counter),
      requests.map((r) => r.amount),
      requests.map((r) => r.limit),
      requests.map((r) => r.forced),
      transfer?.giver ?? null,
      transfer?.number ?? null,
      transfer?.epoch ?? null,
    ]);
    if (this.#open.size > 100_000) this.#open.clear();
    // Not before: a database that ended in between may have lost them.
    for (const counter of fresh) this.#open.add(counter);
    return rows.map((row) => grantOf(row, transfer?.epoch));
  }

  async allocated(counters: readonly string[], epoch?: string): Promise<readonly Grant[]> {
    const { rows } = await this.database.writer.query<LeasedRow>(
      `SELECT counter, 0 AS amount, allocated, shared, epoch FROM spend_allowances
       WHERE counter = ANY ($1::text[])`,
      [counters],
    );
    const found = new Map(rows.map((row) => [row.counter, grantOf(row, epoch)]));
    return counters.map((counter) => found.get(counter) ?? { counter, amount: 0, allocated: 0 });
  }

  async open(giver: string): Promise<void> {
    await this.database.writer.query(
      `INSERT INTO spend_transfers (giver, number, epoch, grants, at)
       VALUES ($1, 0, '', '[]', now()) ON CONFLICT DO NOTHING`,
      [giver],
    );
  }

  transfers(givers: readonly string[]): Promise<readonly StoredTransfer[]> {
    return this.#transfers('giver = ANY ($1::text[])', [givers]);
  }

  unfinished(self: string, forMs: number): Promise<readonly StoredTransfer[]> {
    return this.#transfers(
      "grants <> '[]' AND giver <> $1 AND at < now() - $2 * interval '1 ms' ORDER BY giver LIMIT 50",
      [self, forMs],
    );
  }

  async finished({ giver, number }: Transfer): Promise<void> {
    const sql = `UPDATE spend_transfers SET grants = '[]' WHERE giver = $1 AND number = $2`;
    await this.database.writer.query(sql, [giver, number]);
  }

  async forgetBefore(period: string): Promise<void> {
    await this.database.writer.query('DELETE FROM spend_allowances WHERE period < $1', [period]);
    await this.database.writer.query(
      `DELETE FROM spend_transfers WHERE at < now() - interval '${GIVER_LIFE}'`,
    );
    this.#open.clear();
  }

  async #transfers(where: string, values: unknown[]): Promise<readonly StoredTransfer[]> {
    const sql = `SELECT ${TRANSFER} FROM spend_transfers WHERE ${where}`;
    const { rows } = await this.database.writer.query<TransferRow>(sql, values);
    return rows.map(({ giver, number, epoch, grants }) => ({
      giver,
      number: Number(number),
      epoch,
      granted: grants.map(([counter, amount]) => ({ counter, amount })),
    }));
  }
}

function grantOf(row: LeasedRow, epoch: string | undefined): Grant {
  const grant = {
    counter: row.counter,
    amount: Number(row.amount),
    allocated: Number(row.allocated),
  };
  if (epoch === undefined) return grant;
  return { ...grant, own: row.epoch === epoch ? Number(row.shared) : 0 };
}
