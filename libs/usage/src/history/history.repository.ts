import { storableJson, type Queryable } from '@sluice/database';
import { WITH_SESSION } from './session.sql.js';

export interface HistoryEntry {
  readonly requestId: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly model: string;
  /** The caller's request body. */
  readonly prompt: unknown;
  /** The answer in the neutral form. */
  readonly answer: unknown;
}

/** Position behind an entry, for the next page. */
export interface HistoryCursor {
  readonly at: number;
  readonly requestId: string;
}

/** Whose conversation is meant. The caller is unique only within its tenant. */
export interface SessionKey {
  readonly tenant: string;
  readonly caller: string;
  readonly session: string;
}

const ADD = `${WITH_SESSION}
INSERT INTO chat_history (request_id, session_id, at, model, prompt, answer)
SELECT $4, id, to_timestamp($5::float8 / 1000), $6, $7, $8 FROM session
ON CONFLICT DO NOTHING`;

const PAGE = `SELECT h.request_id, (extract(epoch FROM h.at) * 1000)::float8 AS at, h.model, h.prompt, h.answer
FROM chat_session s JOIN chat_history h ON h.session_id = s.id
WHERE s.tenant = $1 AND s.caller = $2 AND s.session = $3
  AND ($4::float8 IS NULL OR (h.at, h.request_id) > (to_timestamp($4::float8 / 1000), $5::uuid))
ORDER BY h.at, h.request_id LIMIT $6`;

/** Prompts and answers of callers whose tier opted in. */
export class HistoryRepository {
  constructor(private readonly db: Queryable) {}

  /** Adding the same request again changes nothing. */
  async add(key: SessionKey, entry: HistoryEntry): Promise<void> {
    await this.db.query(ADD, [
      key.tenant,
      key.caller,
      key.session,
      entry.requestId,
      entry.at,
      entry.model,
      storableJson(entry.prompt),
      storableJson(entry.answer),
    ]);
  }

  /** The conversation in its order, at most `limit` entries behind `after`. */
  async page(
    key: SessionKey,
    { limit, after }: { readonly limit: number; readonly after?: HistoryCursor },
  ): Promise<HistoryEntry[]> {
    const { rows } = await this.db.query(PAGE, [
      key.tenant,
      key.caller,
      key.session,
      after?.at ?? null,
      after?.requestId ?? null,
      limit,
    ]);
    return rows.map((row) => ({
      requestId: String(row.request_id),
      at: Number(row.at),
      model: String(row.model),
      prompt: row.prompt,
      answer: row.answer,
    }));
  }

  /** Forgets what is older than `before`, at most `limit` entries. @returns how many were removed. */
  async prune(before: Date, limit: number): Promise<number> {
    const { rows } = await this.db.query(
      `WITH old AS (SELECT request_id FROM chat_history WHERE at < $1 ORDER BY at LIMIT $2),
      gone AS (DELETE FROM chat_history USING old WHERE chat_history.request_id = old.request_id RETURNING 1)
      SELECT count(*)::int AS n FROM gone`,
      [before, limit],
    );
    return Number(rows[0]?.n ?? 0);
  }
}
