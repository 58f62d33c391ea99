import { describe, expect, it } from '@jest/globals';
import { ConfigError } from './problem.js';
import { isProviderEnabled } from './provider-enabled.js';
import { environmentSecrets, redactUrl, redactedConfig, secretValues } from './redaction.js';
import type { PoliciesConfigInput } from './policies.schema.js';
import type { SluiceConfigInput } from './sluice.schema.js';
import { configFromObjects, type ConfigObjects } from './testing.js';

const SANDBOX = { id: 'box', kind: 'sandbox' } as const;
const OPENAI = { id: 'up', kind: 'openai' } as const;

/** The problems without their file and line. */
function problemsOf(objects: ConfigObjects): string[] {
  try {
    configFromObjects(objects);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((line) => line.replace(/^\S+: /, ''));
  }
  return [];
}

describe('references within sluice.yaml', () => {
  const base: SluiceConfigInput = {
    providers: [SANDBOX, OPENAI],
    models: [{ id: 'small', provider: 'box' }],
  };
  it.each<[string, SluiceConfigInput, string]>([
    [
      'a provider',
      { models: [{ id: 'm', provider: 'bx' }] },
      'models[0].provider: found "bx"; allowed: box, up (did you mean "box"?)',
    ],
    [
      'a fallback',
      { models: [{ id: 'm', provider: 'box', fallbacks: ['m'] }] },
      'models[0].fallbacks[0]: found "m"; nothing is defined',
    ],
    [
      'an ensemble member',
      { ensembles: [{ id: 'e', models: ['smal'] }] },
      'ensembles[0].models[0]: found "smal"; allowed: small (did you mean "small"?)',
    ],
    [
      'the default route',
      { routing: { default: 'nothing' } },
      'routing.default: found "nothing"; allowed: auto, small',
    ],
    [
      'an arm of an experiment',
      { experiments: [{ id: 'x', split: { routed: 0.5, 'model:big': 0.5 } }] },
      'experiments[0].split["model:big"]: found "model:big"; allowed: routed, model:small',
    ],
    [
      'a shadow model',
      { experiments: [{ id: 'x', split: { routed: 1 }, shadow: { model: 'big', rate: 1 } }] },
      'experiments[0].shadow.model: found "big"; allowed: small',
    ],
    [
      'an embedder',
      { cache: { semantic: { embedder: 'lexial' } } },
      'cache.semantic.embedder: found "lexial"; allowed: lexical (did you mean "lexical"?)',
    ],
    [
      'a judge',
      { cache: { semantic: { judge: 'big' } } },
      'cache.semantic.judge: found "big"; allowed: small',
    ],
    [
      'a model to warm',
      { cache: { warming: { queries: [{ model: 'big', prompt: 'hi' }] } } },
      'cache.warming.queries[0].model: found "big"; allowed: auto, small',
    ],
    [
      "an embedder's provider",
      { embedders: { e: { kind: 'openai', provider: 'box', model: 'x', dimensions: 3 } } },
      'embedders.e.provider: found "box"; allowed: up',
    ],
    [
      'the model behind a hybrid',
      { models: [{ id: 'small', provider: 'box', hybrid: 'big' }] },
      'models[0].hybrid: found on a model of kind sandbox; allowed: on models of kind mcp',
    ],
  ])('must name %s that exists', (_what, sluice, problem) => {
    expect(problemsOf({ sluice: { ...base, ...sluice } })).toContain(problem);
  });

  it.each<[string, SluiceConfigInput, string]>([
    [
      'providers',
      { providers: [SANDBOX, { ...OPENAI, id: 'box' }] },
      'providers[1].id: found "box" again; allowed: an id that is not taken',
    ],
    [
      'a model called auto',
      {
        models: [
          { id: 'small', provider: 'box' },
          { id: 'auto', provider: 'box' },
        ],
      },
      'models[1].id: found "auto" again; allowed: an id that is not taken',
    ],
    [
      'an ensemble called as a model',
      { ensembles: [{ id: 'small', models: ['small'] }] },
      'ensembles[0].id: found "small" again; allowed: an id that is not taken',
    ],
    [
      'prices of one day',
      {
        models: [
          {
            id: 'small',
            provider: 'box',
            price: [
              { from: '2026-01-01', input: 1, output: 1 },
              { from: '2026-01-01', input: 2, output: 2 },
            ],
          },
        ],
      },
      'models[0].price[1].from: found "2026-01-01" again; allowed: one price a date',
    ],
  ])('must not name twice: %s', (_what, sluice, problem) => {
    expect(problemsOf({ sluice: { ...base, ...sluice } })).toEqual([problem]);
  });

  it.each<[SluiceConfigInput, RegExp]>([
    [
      { models: [{ id: 'small', provider: 'box', contextTokens: 10, maxOutputTokens: 11 }] },
      /^models\[0\]\.maxOutputTokens: found 11; allowed: at most the 10 of contextTokens/,
    ],
    [
      { routing: { weights: { cost: 0, latency: 0, success: 0, load: 0, affinity: 0 } } },
      /^routing\.weights: found only zeros/,
    ],
    [
      { routing: { keywords: { simple: ['what is'], complex: ['What is '] } } },
      /^routing\.keywords\.complex\[0\]: found "What is ", which is a keyword of simple, too/,
    ],
    [{ routing: { breaker: { reset: '10m' } } }, /^routing\.breaker\.reset: found 600000/],
    [
      { experiments: [{ id: 'x', split: { routed: 0.6 } }] },
      /^experiments\[0\]\.split: found shares that add up to 0.6; expected 1/,
    ],
  ])('refuses what contradicts itself: %j', (sluice, problem) => {
    expect(problemsOf({ sluice: { ...base, ...sluice } })).toEqual([
      expect.stringMatching(problem),
    ]);
  });
});

describe('policies.yaml', () => {
  it.each<[PoliciesConfigInput, RegExp]>([
    [
      { tiers: { free: { requests: { perHour: 5, burstPerMinute: 6 } } } },
      /^tiers\.free\.requests\.burstPerMinute: found 6; allowed: at most the 5 of perHour/,
    ],
    [
      { tiers: { free: { routes: { '/x': { requests: { perHour: 1, burstPerMinute: 2 } } } } } },
      /^tiers\.free\.routes\["\/x"\]\.requests\.burstPerMinute: found 2/,
    ],
    [
      { tiers: { free: { routes: { x: { requests: 'unlimited' } } } } },
      /^tiers\.free\.routes\.x: expected a path that starts with \//,
    ],
    [
      { tiers: { free: { tokens: { perDay: 2, perMonth: 1 } } } },
      /^tiers\.free\.tokens\.perDay: found 2; allowed: at most the 1 of perMonth/,
    ],
    [
      { tiers: { free: { total: { tokens: { perDay: 2, perMonth: 1 } } } } },
      /^tiers\.free\.total\.tokens\.perDay: found 2; allowed: at most the 1 of perMonth/,
    ],
    [
      { tenants: { acme: { budget: { dailyUsd: 2, monthlyUsd: 1 } } } },
      /^tenants\.acme\.budget\.dailyUsd: found 2; allowed: at most the 1 of monthlyUsd/,
    ],
    [{ system: { tokensPerDay: 2, tokensPerMonth: 1 } }, /^system\.tokensPerDay: found 2/],
    [
      { throttle: { backoff: { min: '1m', max: '1s' } } },
      /^throttle\.backoff\.min: found 60000; allowed: at most the 1000/,
    ],
    [{ alerts: { thresholds: [0.5, 0.5] } }, /^alerts\.thresholds\[1\]: found 0.5 again/],
    [{ alerts: { webhook: 'ftp://x' } }, /^alerts\.webhook: expected an http or https URL/],
    [
      { degrade: [{ at: 0.9, from: 'simple', to: 'complex' }] },
      /^degrade\[0\]\.to: found "complex"; expected a grade below "simple"/,
    ],
    [
      { degrade: [{ at: 0.9, from: 'complex', to: 'medium' }] },
      /^degrade\[0\]\.to: found "medium", but no model is of that grade; models have: simple/,
    ],
    [
      { providers: { bx: {} } },
      /^providers\.bx: found "bx"; allowed: box \(did you mean "box"\?\)/,
    ],
    [
      { providers: { box: { models: { big: {} } } } },
      /^providers\.box\.models\.big: found "big"; allowed: small/,
    ],
    [
      { providers: { box: { models: { small: { inputTokensPerDay: 9, tokensPerDay: 8 } } } } },
      /^providers\.box\.models\.small\.inputTokensPerDay: found 9/,
    ],
  ])('refuses %j', (policies, problem) => {
    const sluice: SluiceConfigInput = {
      providers: [SANDBOX],
      models: [{ id: 'small', provider: 'box', grade: 'simple' }],
    };
    expect(problemsOf({ sluice, policies })).toEqual([expect.stringMatching(problem)]);
  });

  it('must know the tiers that models and history name', () => {
    expect(
      problemsOf({
        sluice: {
          providers: [SANDBOX],
          models: [{ id: 'm', provider: 'box', tiers: ['payed'] }],
          usage: { history: { tiers: ['paid', 'gold'] } },
        },
        policies: { tiers: { paid: {} } },
      }),
    ).toEqual([
      'models[0].tiers[0]: found "payed"; allowed: paid (did you mean "paid"?)',
      'usage.history.tiers[1]: found "gold"; allowed: paid',
    ]);
  });

  it.each<[string, PoliciesConfigInput]>([
    ['policies system.budget', { system: { budget: { monthlyUsd: 1 } } }],
    ['policies providers.up.budget', { providers: { up: { budget: { dailyUsd: 1 } } } }],
    [
      'the policy of model m',
      { providers: { up: { models: { m: { budget: { monthlyUsd: 1 } } } } } },
    ],
    ['policies tenants.acme.budget', { tenants: { acme: { budget: { monthlyUsd: 1 } } } }],
    ['policies tiers.free.budget', { tiers: { free: { budget: { monthlyUsd: 1 } } } }],
    [
      'policies tiers.free.total.budget',
      { tiers: { free: { total: { budget: { dailyUsd: 1 } } } } },
    ],
  ])('does not let an unpriced model pass under %s', (name, policies) => {
    const sluice: SluiceConfigInput = {
      providers: [OPENAI, SANDBOX],
      models: [
        { id: 'm', provider: 'up' },
        { id: 'free-of-charge', provider: 'box' },
        { id: 'priced', provider: 'up', price: { input: 0, output: 0 } },
      ],
    };
    expect(problemsOf({ sluice, policies })).toEqual([
      expect.stringMatching(
        `^models\\[0\\]\\.price: missing on "m", which ${name} limits in money`,
      ),
    ]);
    expect(problemsOf({ sluice, policies: {} })).toEqual([]);
  });

  it('ignores the budget of a tier that may not use the model', () => {
    const sluice: SluiceConfigInput = {
      providers: [OPENAI],
      models: [{ id: 'm', provider: 'up', tiers: ['admin'] }],
    };
    const tiers = { free: { budget: { monthlyUsd: 1 } }, admin: {} };
    expect(problemsOf({ sluice, policies: { tiers } })).toEqual([]);
  });
});

describe('overrides from the environment', () => {
  const policies: PoliciesConfigInput = {
    tiers: {
      free: { requests: { perHour: 100, burstPerMinute: 20 } },
      'big-corp': { requests: 'unlimited' },
    },
  };
  const requests = (env: Record<string, string>, tier: string) =>
    configFromObjects({ policies, env }).current.policies.tiers[tier]?.requests;

  it('replace what the file says, one value at a time', () => {
    expect(requests({ RATE_LIMIT_FREE_PER_HOUR: '50' }, 'free')).toEqual({
      perHour: 50,
      burstPerMinute: 20,
    });
    expect(requests({ RATE_LIMIT_BIG_CORP_PER_HOUR: '7' }, 'big-corp')).toEqual({ perHour: 7 });
  });

  it('pull the other window along where they would contradict it', () => {
    expect(requests({ RATE_LIMIT_FREE_PER_HOUR: '5' }, 'free')).toEqual({
      perHour: 5,
      burstPerMinute: 5,
    });
    expect(requests({ RATE_LIMIT_FREE_BURST_PER_MINUTE: '500' }, 'free')).toEqual({
      perHour: 500,
      burstPerMinute: 500,
    });
  });

  it('must name a tier that exists', () => {
    expect(problemsOf({ policies, env: { RATE_LIMIT_GOLD_PER_HOUR: '5' } })).toEqual([
      'RATE_LIMIT_GOLD_*: names a tier that policies.yaml does not have; allowed: free, big-corp',
    ]);
  });
});

describe('variables in YAML values', () => {
  const baseUrl = (text: string, env: Record<string, string> = {}) =>
    configFromObjects({
      sluice: { providers: [{ ...OPENAI, headers: { x: text } }] },
      env,
    }).current.sluice.providers[0]?.headers.x;

  it('are replaced, with a default, or kept when escaped', () => {
    expect(baseUrl('a-${REGION}-b', { REGION: 'eu' })).toBe('a-eu-b');
    expect(baseUrl('${REGION:-us}')).toBe('us');
    expect(baseUrl('${REGION:-us}', { REGION: 'eu' })).toBe('eu');
    expect(baseUrl('${REGION}')).toBe('');
    expect(baseUrl('$${REGION}', { REGION: 'eu' })).toBe('${REGION}');
  });

  it('cannot add YAML', () => {
    expect(baseUrl('${X}', { X: 'a: [b]\nc: "d' })).toBe('a: [b]\nc: "d');
  });

  it('may be numbers and booleans where those are wanted', () => {
    const { current } = configFromObjects({
      sluice: {
        providers: [{ ...SANDBOX, maxConcurrent: '${MAX}' as unknown as number }],
        coalescing: { enabled: '${ON}' as unknown as boolean },
      },
      env: { MAX: '7', ON: 'false' },
    });
    expect(current.sluice.providers[0]?.maxConcurrent).toBe(7);
    expect(current.sluice.coalescing.enabled).toBe(false);
    const wrong = { ...SANDBOX, maxConcurrent: '${MAX}' as unknown as number };
    expect(problemsOf({ sluice: { providers: [wrong] }, env: { MAX: 'many' } })).toEqual([
      'providers[0].maxConcurrent: found "many"; expected number',
    ]);
  });

  it('are named when their absence is the problem', () => {
    expect(problemsOf({ sluice: { providers: [{ ...OPENAI, baseUrl: '${BASE}' }] } })).toEqual([
      'providers[0].baseUrl: found "" (BASE is not set); expected an http or https URL',
    ]);
  });
});

describe('unknown keys', () => {
  it('are refused with the keys of that kind of provider only', () => {
    const provider = { ...SANDBOX, baseurl: 'x' } as typeof SANDBOX;
    const [problem] = problemsOf({ sluice: { providers: [provider] } });
    expect(problem).toMatch(/^providers\[0\]\.baseurl: unknown key; allowed: id, maxConcurrent/);
    expect(problem).not.toContain('apiKey');
  });

  it('do not hide what else is wrong', () => {
    expect(
      problemsOf({
        sluice: {
          providers: [SANDBOX],
          models: [{ id: 'm', provider: 'bax', weigth: 2 } as { id: string; provider: string }],
          cache: { ttl: { code: 'soon' }, semantic: { embedder: 'none' } },
        },
      }),
    ).toEqual([
      expect.stringMatching(/^models\[0\]\.weigth: unknown key \(did you mean "weight"\?\)/),
      expect.stringMatching(/^cache\.ttl\.code: found "soon"; expected a duration/),
      'models[0].provider: found "bax"; allowed: box (did you mean "box"?)',
      'cache.semantic.embedder: found "none"; allowed: lexical',
    ]);
  });
});

describe('a choice', () => {
  it('is refused with what it is between', () => {
    expect(
      problemsOf({
        sluice: { providers: [{ id: 'p', kind: 'sandbux' } as unknown as typeof SANDBOX] },
        policies: { tiers: { free: { requests: 'none' as never } } },
      }),
    ).toEqual([
      'providers[0].kind: found "sandbux"; allowed: sandbox, openai, anthropic, gemini, bedrock, mcp',
      'tiers.free.requests: found "none"; expected unlimited or object',
    ]);
  });

  it('between kinds of value says what is wrong inside the kind that was meant', () => {
    expect(
      problemsOf({
        sluice: {
          providers: [SANDBOX],
          models: [
            { id: 'm', provider: 'box', price: { input: -1, outptu: 2 } as never },
            { id: 'n', provider: 'box', price: 'free' as never },
          ],
        },
        policies: { tiers: { free: { budget: { monthlyUsd: '5' as never } } } },
      }),
    ).toEqual([
      'models[0].price.input: found -1; expected >=0',
      'models[0].price.output: missing; expected number',
      expect.stringMatching(/^models\[0\]\.price\.outptu: unknown key \(did you mean "output"\?\)/),
      'models[1].price: found "free"; expected object or array',
      'tiers.free.budget.monthlyUsd: found "5"; expected number',
    ]);
  });
});

describe('secrets', () => {
  const config = configFromObjects({
    sluice: {
      providers: [
        { ...OPENAI, apiKey: '${OPENAI_API_KEY}', headers: { 'x-team': 'team-token-1' } },
      ],
      routing: { keywords: { simple: ['what is'] } },
    },
    policies: {
      alerts: { webhook: 'https://hooks.example/T000/B000', webhookSecret: 'whsec_abcdef' },
    },
    env: {
      OPENAI_API_KEY: 'sk-proj-abcdefgh',
      DATABASE_URL: 'postgres://app:hunter22@db/sluice',
      JWT_SECRET: 'a-jwt-secret',
    },
  });

  it('print as three stars', () => {
    const text = JSON.stringify(redactedConfig(config.current));
    for (const secret of ['sk-proj-abcdefgh', 'team-token-1', 'T000', 'whsec_abcdef']) {
      expect(text).not.toContain(secret);
    }
    expect(JSON.parse(text)).toMatchObject({
      version: 1,
      sluice: {
        providers: [{ id: 'up', apiKey: '***', headers: { 'x-team': '***' } }],
        routing: { keywords: { simple: ['what is'] } },
      },
      policies: { alerts: { webhook: 'https://hooks.example/***', webhookSecret: '***' } },
    });
  });

  it('are listed for the log, longest first', () => {
    const values = secretValues(config.env, config.current);
    expect(values).toEqual(
      expect.arrayContaining([
        'sk-proj-abcdefgh',
        'team-token-1',
        'whsec_abcdef',
        'hunter22',
        'a-jwt-secret',
      ]),
    );
    expect(values[0]?.length).toBeGreaterThanOrEqual(values.at(-1)?.length ?? 0);
    expect(environmentSecrets({ MY_TOKEN: 'abcdefgh', HOME: '/root', SHORT_KEY: 'abc' })).toEqual([
      'abcdefgh',
    ]);
    expect(redactUrl('redis://u:p@h:1/0')).toBe('redis://***@h:1/0');
  });

  it('never stand in a problem', () => {
    const env = { OPENAI_API_KEY: 'sk-proj-abcdefgh' };
    const sluice = {
      providers: [{ ...OPENAI, baseUrl: '${OPENAI_API_KEY}', apiKey: 12345678 as never }],
    };
    const text = problemsOf({ sluice, env }).join('\n');
    expect(text).toContain('providers[0].baseUrl: found "***"');
    expect(text).toContain('providers[0].apiKey: found ***');
    expect(text).not.toMatch(/abcdefgh|12345678/);
    const written = problemsOf({
      sluice: {
        providers: [
          {
            ...OPENAI,
            baseUrl: 'ftp://user:canary1@host/v1',
            headers: 'x-token: canary2' as never,
          },
        ],
        models: { id: 'm', apiKey: 'canary3', inner: [{ password: 'canary4' }] } as never,
      },
    }).join('\n');
    expect(written).toContain('providers[0].baseUrl: found "ftp://***@host/v1"');
    expect(written).not.toContain('canary');
  });
});

describe('a provider', () => {
  const enabled = (provider: object, env: Record<string, string> = {}) => {
    const config = configFromObjects({
      sluice: { providers: [{ id: 'p', ...provider } as unknown as typeof SANDBOX] },
      env,
    });
    return isProviderEnabled(config.current.sluice.providers[0]!, config.env);
  };
  it('is enabled exactly when it has what it needs', () => {
    expect(enabled({ kind: 'sandbox' })).toBe(true);
    expect(enabled({ kind: 'mcp', url: 'http://127.0.0.1:1/mcp', tool: 't' })).toBe(true);
    expect(enabled({ kind: 'openai' })).toBe(false);
    expect(enabled({ kind: 'openai', apiKey: '' })).toBe(false);
    expect(enabled({ kind: 'openai', apiKey: 'k' })).toBe(true);
    expect(enabled({ kind: 'openai', auth: 'none' })).toBe(true);
    expect(enabled({ kind: 'anthropic' })).toBe(false);
    expect(enabled({ kind: 'gemini', apiKey: 'k' })).toBe(true);
    expect(enabled({ kind: 'bedrock', region: 'us-east-1' })).toBe(false);
    expect(enabled({ kind: 'bedrock' }, { AWS_PROFILE: 'p' })).toBe(false);
    expect(enabled({ kind: 'bedrock' }, { AWS_PROFILE: 'p', AWS_REGION: 'r' })).toBe(true);
  });
});

describe('the configuration for tests', () => {
  it('serves what it is given and tells of replacements', async () => {
    const config = configFromObjects({ sluice: { cache: { version: 2 } }, env: { PORT: '1' } });
    const seen: number[] = [];
    const stop = config.onChange((next) => seen.push(next.sluice.cache.version));
    config.replace({ sluice: { cache: { version: 3 } } });
    config.replace({ policies: { tiers: { free: {} } } });
    expect(seen).toEqual([3, 3]);
    expect(config.current).toMatchObject({ version: 3, sluice: { cache: { version: 3 } } });
    expect(() => config.replace({ sluice: { cache: { version: -1 } } })).toThrow(ConfigError);
    expect(config.current.version).toBe(3);
    stop();
    expect(await config.reload()).toEqual({ applied: true, version: 4, problems: [] });
    expect(config.refuse(['x'])).toMatchObject({ applied: false, version: 4 });
    expect(config.rejected).toEqual(['x']);
    expect(seen).toEqual([3, 3]);
    expect(config.env.PORT).toBe(1);
  });

  it('cannot be changed in place', () => {
    const { current } = configFromObjects();
    expect(() => {
      (current.sluice.cache as { version: number }).version = 9;
    }).toThrow(TypeError);
  });
});
