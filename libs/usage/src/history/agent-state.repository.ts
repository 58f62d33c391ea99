import { storableJson, type Queryable } from '@sluice/database';
import type { SessionKey } from './history.repository.js';
import { WITH_SESSION } from './session.sql.js';

const PUT = `${WITH_SESSION}
INSERT INTO agent_state (session_id, agent, state) SELECT id, $4, $5::jsonb FROM session
ON CONFLICT (session_id, agent) DO UPDATE SET state = excluded.state, updated_at = now()`;

const GET = `SELECT a.state FROM chat_session s JOIN agent_state a ON a.session_id = s.id
WHERE s.tenant = $1 AND s.caller = $2 AND s.session = $3 AND a.agent = $4`;

const REMOVE = `DELETE FROM agent_state a USING chat_session s
WHERE a.session_id = s.id AND s.tenant = $1 AND s.caller = $2 AND s.session = $3 AND a.agent = $4`;

/** What an agent wants to find again in the next call of the same session. */
export class AgentStateRepository {
  constructor(private readonly db: Queryable) {}

  async put(key: SessionKey, agent: string, state: unknown): Promise<void> {
    await this.db.query(PUT, [key.tenant, key.caller, key.session, agent, storableJson(state)]);
  }

  /** Undefined when the agent has left nothing. */
  async get(key: SessionKey, agent: string): Promise<unknown> {
    const { rows } = await this.db.query(GET, [key.tenant, key.caller, key.session, agent]);
    return rows[0]?.state;
  }

  async remove(key: SessionKey, agent: string): Promise<void> {
    await this.db.query(REMOVE, [key.tenant, key.caller, key.session, agent]);
  }

  /** Forgets states that were not touched since `before`, and sessions that hold nothing any more. */
  async prune(before: Date): Promise<number> {
    const { rows } = await this.db.query(
      `WITH gone AS (DELETE FROM agent_state WHERE updated_at < $1 RETURNING 1)
      SELECT count(*)::int AS n FROM gone`,
      [before],
    );
    await this.db.query(
      `DELETE FROM chat_session s WHERE s.created_at < $1
      AND NOT EXISTS (SELECT FROM chat_history h WHERE h.session_id = s.id)
      AND NOT EXISTS (SELECT FROM agent_state a WHERE a.session_id = s.id)`,
      [before],
    );
    return Number(rows[0]?.n ?? 0);
  }
}
