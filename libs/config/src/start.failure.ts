import { inspect } from 'node:util';
import { ConfigError } from './problem.js';
import { environmentSecrets, withoutSecrets } from './redaction.js';

/** What the operator can mend: told in a sentence, where a stack would only hide it. */
const HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Another program listens there; choose another PORT.',
  EADDRNOTAVAIL: 'No interface of this machine has that address; choose another HOST.',
  EACCES: 'The permission for that is missing.',
  ECONNREFUSED: 'Nothing listens there; is DATABASE_URL right, and does that server run?',
  ENOTFOUND: 'That name has no address; is DATABASE_URL right?',
  '28P01': 'Postgres refuses the password of DATABASE_URL.',
  '3D000': 'Postgres has no such database; create it or change DATABASE_URL.',
};
const PLAIN = ['EmbeddedPostgresError'];

/** Why a process could not start, as text for standard error; faults of our own keep their stack. No secrets. */
export function startFailure(error: unknown, env: NodeJS.ProcessEnv = process.env): string {
  return withoutSecrets(text(error), environmentSecrets(env));
}

function text(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  const known = hinted(error);
  if (known !== undefined) return `Sluice cannot start: ${known}`;
  if (error instanceof Error && PLAIN.includes(error.name)) {
    return `Sluice cannot start: ${error.message}`;
  }
  return `Sluice cannot start: ${inspect(error)}`;
}

/** Looks through causes and the several addresses of one host for the first that has a hint. */
function hinted(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  const hint = code === undefined ? undefined : HINTS[code];
  if (hint !== undefined && error.message !== '') return `${error.message}. ${hint}`;
  const inner = error instanceof AggregateError ? (error.errors as unknown[]) : [error.cause];
  for (const one of inner) {
    const found = hinted(one);
    if (found !== undefined) return found;
  }
  return undefined;
}
