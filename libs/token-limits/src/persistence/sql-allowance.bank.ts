import { Injectable } from '@nestjs/common';
import { Database } from '@sluice/database';
import { AllowanceBank, type LeaseRequest } from '../allowance/allowance.bank.js';
import type { Grant } from '../ledger/spend.ledger.js';

const OPEN = `
  INSERT INTO spend_allowances (counter, period, allocated)
  SELECT counter, period, 0 FROM unnest($1::text[], $2::text[]) AS t (counter, period)
  ORDER BY counter
  ON CONFLICT DO NOTHING`;

// Rows are locked in the order of their keys, so that two leases of the same counters cannot deadlock.
const LEASE = `
  WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::boolean[])
      AS t (counter, amount, ceiling, forced)
  ), present AS (
    SELECT s.counter, s.allocated FROM spend_allowances s
    WHERE s.counter = ANY ($1::text[]) ORDER BY s.counter FOR UPDATE
  ), granted AS (
    SELECT counter,
      CASE WHEN forced THEN greatest(amount, -allocated)
           ELSE least(amount, greatest(0, ceiling - allocated)) END AS amount
    FROM asked JOIN present USING (counter)
  )
  UPDATE spend_allowances s SET allocated = s.allocated + g.amount
  FROM granted g WHERE s.counter = g.counter
  RETURNING s.counter, g.amount, s.allocated`;

interface LeasedRow {
  readonly counter: string;
  readonly amount: string;
  readonly allocated: string;
}

/** Leases in one row per counter of Postgres. */
@Injectable()
export class SqlAllowanceBank extends AllowanceBank {
  /** Rows that were seen: they need not be made again. */
  readonly #open = new Set<string>();

  constructor(private readonly database: Database) {
    super();
  }

  async lease(requests: readonly LeaseRequest[]): Promise<readonly Grant[]> {
    const fresh = requests.map((r) => r.counter).filter((counter) => !this.#open.has(counter));
    if (fresh.length > 0) {
      const periods = fresh.map((counter) => counter.slice(counter.lastIndexOf('|') + 1));
      await this.database.writer.query(OPEN, [fresh, periods]);
      if (this.#open.size > 100_000) this.#open.clear();
      for (const counter of fresh) this.#open.add(counter);
    }
    const { rows } = await this.database.writer.query<LeasedRow>(LEASE, [
      requests.map((r) => r.counter),
      requests.map((r) => r.amount),
      requests.map((r) => r.limit),
      requests.map((r) => r.forced),
    ]);
    return rows.map((row) => ({
      counter: row.counter,
      amount: Number(row.amount),
      allocated: Number(row.allocated),
    }));
  }

  async forgetBefore(period: string): Promise<void> {
    await this.database.writer.query('DELETE FROM spend_allowances WHERE period < $1', [period]);
    this.#open.clear();
  }
}
