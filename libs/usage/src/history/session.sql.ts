/**
 * Finds or makes the session ($1 tenant, $2 caller, $3 session) and gives its id as `session.id`.
 * The update that changes nothing makes RETURNING answer for an existing row too.
 */
export const WITH_SESSION = `WITH session AS (
  INSERT INTO chat_session (tenant, caller, session) VALUES ($1, $2, $3)
  ON CONFLICT (tenant, caller, session) DO UPDATE SET session = excluded.session
  RETURNING id
)`;
