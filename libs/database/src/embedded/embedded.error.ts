/** Embedded Postgres cannot run here; the message says why and what to do. Stops the start. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}
