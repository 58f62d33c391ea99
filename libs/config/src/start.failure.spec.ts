import { describe, expect, it } from '@jest/globals';
import { ConfigError } from './problem.js';
import { startFailure } from './start.failure.js';

const failed = (message: string, code: string): Error =>
  Object.assign(new Error(message), { code });

describe('a failed start', () => {
  it('lists the problems of the configuration', () => {
    expect(startFailure(new ConfigError(['PORT: found "x"']), {})).toBe(
      'One problem in the configuration:\n  - PORT: found "x"',
    );
  });

  it('says in a sentence what an operator can mend', () => {
    expect(startFailure(failed('listen EADDRINUSE: 127.0.0.1:3000', 'EADDRINUSE'), {})).toBe(
      'Sluice cannot start: listen EADDRINUSE: 127.0.0.1:3000. Another program listens there; choose another PORT.',
    );
    const claimed = Object.assign(new Error('The data directory is in use.'), {
      name: 'EmbeddedPostgresError',
    });
    expect(startFailure(claimed, {})).toBe('Sluice cannot start: The data directory is in use.');
  });

  it('finds the reason behind wrapped errors and several addresses', () => {
    const refused = failed('connect ECONNREFUSED ::1:5432', 'ECONNREFUSED');
    const both = Object.assign(new AggregateError([refused]), { code: 'ECONNREFUSED' });
    const wrapped = new Error('no database', { cause: both });
    expect(startFailure(wrapped, {})).toMatch(/connect ECONNREFUSED ::1:5432\. Nothing listens/);
  });

  it('keeps the stack of a fault of our own, and no secret in either', () => {
    const fault = new TypeError('x is not a function: hunter2222');
    const said = startFailure(fault, { DATABASE_URL: 'postgres://me:hunter2222@db/x' });
    expect(said).toContain('start.failure.spec');
    expect(said).not.toContain('hunter2222');
  });
});
