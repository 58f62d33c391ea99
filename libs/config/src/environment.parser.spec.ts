import { describe, expect, it } from '@jest/globals';
import { parseEnvironment } from './environment.parser.js';

function problemsOf(env: Record<string, string>): string[] {
  return parseEnvironment(env).problems.map(({ path, message }) => `${path}: ${message}`);
}

describe('the environment', () => {
  it('has a default for everything', () => {
    const { environment, problems } = parseEnvironment({});
    expect(problems).toEqual([]);
    expect(environment).toMatchObject({ PORT: 3000, HOST: '127.0.0.1', LOG_LEVEL: 'info' });
    expect(environment).toMatchObject({ rateLimits: {}, flags: {}, TRUST_PROXY: [] });
  });

  it('counts an empty variable as absent', () => {
    const { environment } = parseEnvironment({ PORT: '', REDIS_URL: '', ENABLE_X: '' });
    expect(environment).toMatchObject({ PORT: 3000, flags: {} });
    expect(environment?.REDIS_URL).toBeUndefined();
  });

  it('takes 32 bytes for the key of the cache, in base64 or hex, and does not repeat anything else', () => {
    const bytes = Buffer.alloc(32, 7);
    const forms = [bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')];
    for (const CACHE_ENCRYPTION_KEY of forms) {
      expect(problemsOf({ CACHE_ENCRYPTION_KEY })).toEqual([]);
    }
    expect(problemsOf({ CACHE_ENCRYPTION_KEY: 'my-passphrase' })).toEqual([
      expect.stringMatching(/^CACHE_ENCRYPTION_KEY: found \*\*\*; expected 32 bytes/),
    ]);
  });

  it('reads limits by tier and flags by name', () => {
    const { environment } = parseEnvironment({
      RATE_LIMIT_FREE_PER_HOUR: '100',
      RATE_LIMIT_FREE_BURST_PER_MINUTE: '20',
      RATE_LIMIT_BIG_CORP_PER_HOUR: '5000',
      RATE_LIMIT_ALLOWLIST: '10.0.0.0/8, ::1',
      ENABLE_ASYNC_ROUTING: 'false',
      ENABLE_PREDICTIVE_CACHING: 'On',
    });
    expect(environment?.rateLimits).toEqual({
      free: { perHour: 100, burstPerMinute: 20 },
      big_corp: { perHour: 5000 },
    });
    expect(environment?.RATE_LIMIT_ALLOWLIST).toEqual(['10.0.0.0/8', '::1']);
    expect(environment?.flags).toEqual({ async_routing: false, predictive_caching: true });
  });

  it('lists everything that is wrong at once', () => {
    const problems = problemsOf({
      PORT: '70000',
      LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://me:secret@db/x',
      TRUST_PROXY: 'true',
      RATE_LIMIT_FREE_PER_HOUR: '-1',
      RATE_LIMIT_FREE_PER_DAY: '5',
      ENABLE_ASYNC_ROUTING: 'maybe',
      WORKER_INLINE: 'perhaps',
    });
    expect(problems).toHaveLength(8);
    expect(problems.join('\n')).not.toContain('secret');
  });

  it.each([
    [{ PORT: 'abc' }, 'PORT: found "abc"; expected a whole number'],
    [{ PORT: '70000' }, 'PORT: found "70000"; expected <=65535'],
    [{ DATABASE_POOL_MAX: '0' }, 'DATABASE_POOL_MAX: found "0"; expected >0'],
    [
      { RATE_LIMIT_FREE_PER_HOUR: '1.5' },
      'RATE_LIMIT_FREE_PER_HOUR: found "1.5"; expected a whole number above 0',
    ],
    [
      { RATE_LIMIT_ALOWLIST: '::1' },
      'RATE_LIMIT_ALOWLIST: unknown variable (did you mean "RATE_LIMIT_ALLOWLIST"?); allowed: RATE_LIMIT_<TIER>_PER_HOUR, RATE_LIMIT_<TIER>_BURST_PER_MINUTE, RATE_LIMIT_ALLOWLIST',
    ],
    [
      { RATE_LIMIT_FREE_PER_HOUR: '5', RATE_LIMIT_FREE_BURST_PER_MINUTE: '6' },
      'RATE_LIMIT_FREE_BURST_PER_MINUTE: found 6; allowed: at most the 5 of RATE_LIMIT_FREE_PER_HOUR',
    ],
    [
      { REDIS_URL: 'localhost:6379' },
      'REDIS_URL: found "localhost:6379"; expected a URL that starts with redis:// or rediss:// or unix://',
    ],
    [
      { RATE_LIMIT_ALLOWLIST: '10.0.0.0/33' },
      'RATE_LIMIT_ALLOWLIST: found "10.0.0.0/33"; allowed: IP addresses and CIDR ranges, separated by commas',
    ],
  ])('%j is refused with what is allowed', (env, problem) => {
    expect(problemsOf(env)).toEqual([problem]);
  });

  it('refuses to trust every proxy and says why', () => {
    expect(problemsOf({ TRUST_PROXY: 'true' })[0]).toContain(
      'lets anyone choose their own address',
    );
    expect(problemsOf({ TRUST_PROXY: 'loopback,10.0.0.0/8,fd00::/8,1.2.3.4' })).toEqual([]);
  });
});
