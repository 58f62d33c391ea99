import { Injectable } from '@nestjs/common';
import { Database, storableJson } from '@sluice/database';
import type { Grade } from '@sluice/kernel';
import { FeedbackStore, type AnsweredCall } from '../feedback/feedback.store.js';

interface Row {
  readonly at: Date;
  readonly model: string;
  readonly grade: Grade | null;
  readonly experiment: string | null;
  readonly arm: string | null;
  readonly estimate: number | null;
}

/** Answered calls in the table `routing_decisions`, for a day. */
@Injectable()
export class PostgresFeedbackStore extends FeedbackStore {
  constructor(private readonly database: Database) {
    super();
  }

  async keep(calls: readonly AnsweredCall[]): Promise<void> {
    await this.database.writer.query(
      `INSERT INTO routing_decisions (request_id, at, tenant, caller, model, grade, experiment, arm, estimate)
       SELECT c ->> 0, to_timestamp((c ->> 1)::float8 / 1000), c ->> 2, c ->> 3, c ->> 4, c ->> 5, c ->> 6, c ->> 7, (c ->> 8)::float8
       FROM jsonb_array_elements($1::jsonb) AS t(c)
       ON CONFLICT (request_id) DO NOTHING`,
      // One text: the driver takes an array apart, and escapes it, cell by cell.
      [storableJson(calls.map(cellsOf))],
    );
  }

  async judge(
    caller: AnsweredCall['caller'],
    requestId: string,
  ): Promise<AnsweredCall | 'judged' | undefined> {
    const values = [requestId, caller.tenant, caller.id];
    const { rows } = await this.database.requests.query<Row>(
      `UPDATE routing_decisions SET judged = true
       WHERE request_id = $1 AND tenant = $2 AND caller = $3 AND NOT judged
       RETURNING at, model, grade, experiment, arm, estimate`,
      values,
    );
    const [row] = rows;
    if (row !== undefined) return { requestId, caller, ...callOf(row) };
    const { rows: judged } = await this.database.requests.query(
      'SELECT 1 FROM routing_decisions WHERE request_id = $1 AND tenant = $2 AND caller = $3',
      values,
    );
    return judged.length === 0 ? undefined : 'judged';
  }

  async forget(before: number): Promise<void> {
    await this.database.writer.query('DELETE FROM routing_decisions WHERE at < $1', [
      new Date(before),
    ]);
  }
}

function cellsOf(call: AnsweredCall): readonly (string | number | undefined)[] {
  const { requestId, at, caller, model, grade, experiment, estimate } = call;
  return [
    requestId,
    at,
    caller.tenant,
    caller.id,
    model,
    grade,
    experiment?.id,
    experiment?.arm,
    estimate,
  ];
}

function callOf({ at, model, grade, experiment, arm, estimate }: Row) {
  return {
    at: at.getTime(),
    model,
    grade: grade ?? undefined,
    ...(experiment === null || arm === null ? {} : { experiment: { id: experiment, arm } }),
    ...(estimate === null ? {} : { estimate }),
  };
}
