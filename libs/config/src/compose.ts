import { ConfigError, pathText, problemLine, type Path, type Problem } from './problem.js';
import type { ConfigSnapshot } from './config.store.js';
import type { Environment, RateLimitOverride } from './environment.js';
import { parseEnvironment } from './environment.parser.js';
import { checkBoth, checkPolicies } from './policies.references.js';
import { policiesSchema, type PoliciesConfig, type TierPolicy } from './policies.schema.js';
import { environmentSecrets, withoutSecrets } from './redaction.js';
import { shape } from './shape.js';
import { checkSluice } from './sluice.references.js';
import { sluiceSchema } from './sluice.schema.js';
import type { YamlDocument } from './yaml.document.js';

export type ConfigContent = Pick<ConfigSnapshot, 'sluice' | 'policies'>;

/** Reads the variables. @throws ConfigError with every problem */
export function environmentOf(env: NodeJS.ProcessEnv): Environment {
  const { environment, problems } = parseEnvironment(env);
  if (environment === undefined) throw new ConfigError(lines(problems, env));
  return environment;
}

/** Checks both documents and the environment together. @throws ConfigError with every problem of all three */
export function compose(
  sluiceDocument: YamlDocument,
  policiesDocument: YamlDocument,
  env: NodeJS.ProcessEnv,
): ConfigContent {
  const parsed = parseEnvironment(env);
  const sluice = shape(sluiceSchema, sluiceDocument);
  const policies = shape(policiesSchema, policiesDocument);
  const shapes = [...sluice.problems, ...policies.problems];
  const problems: Problem[] = [...parsed.problems, ...shapes];
  const reporter = (document: YamlDocument) => (path: Path, message: string) => {
    const problem = { where: document.where(path), path: pathText(path), message };
    // A value that was left out above has been reported already.
    if (
      !shapes.some(({ where, path: known }) => where === problem.where && known === problem.path)
    ) {
      problems.push(problem);
    }
  };
  const report = { sluice: reporter(sluiceDocument), policies: reporter(policiesDocument) };

  if (sluice.value !== undefined) {
    sluice.value.embedders = { lexical: { kind: 'lexical' }, ...sluice.value.embedders };
    checkSluice(sluice.value, report.sluice);
  }
  if (policies.value !== undefined) {
    checkPolicies(policies.value, report.policies);
    const overrides = parsed.environment?.rateLimits ?? {};
    problems.push(...override(policies.value, overrides));
  }
  if (sluice.value !== undefined && policies.value !== undefined) {
    checkBoth(sluice.value, policies.value, report);
  }
  if (problems.length > 0 || sluice.value === undefined || policies.value === undefined) {
    throw new ConfigError(lines(problems, env));
  }
  return deepFreeze({ sluice: sluice.value, policies: policies.value });
}

function lines(problems: readonly Problem[], env: NodeJS.ProcessEnv): string[] {
  const secrets = environmentSecrets(env);
  return problems.map((problem) => withoutSecrets(problemLine(problem), secrets));
}

/** Puts RATE_LIMIT_<TIER>_* in place of what the file says. A burst left above a lowered hour follows it. */
function override(
  policies: PoliciesConfig,
  overrides: Readonly<Record<string, RateLimitOverride>>,
): Problem[] {
  const problems: Problem[] = [];
  const variableName = (tier: string) => tier.toLowerCase().replace(/[^a-z0-9]/g, '_');
  for (const [variable, limits] of Object.entries(overrides)) {
    const tiers = Object.keys(policies.tiers).filter((tier) => variableName(tier) === variable);
    if (tiers.length === 0) {
      problems.push({
        where: 'environment',
        path: `RATE_LIMIT_${variable.toUpperCase()}_*`,
        message: `names a tier that policies.yaml does not have; allowed: ${Object.keys(policies.tiers).join(', ')}`,
      });
    }
    for (const name of tiers) {
      const tier = policies.tiers[name];
      if (tier !== undefined)
        policies.tiers[name] = { ...tier, requests: merge(tier.requests, limits) };
    }
  }
  return problems;
}

function merge(
  requests: TierPolicy['requests'],
  limits: RateLimitOverride,
): TierPolicy['requests'] {
  const merged = { ...(requests === 'unlimited' ? {} : requests), ...limits };
  const { perHour, burstPerMinute } = merged;
  if (perHour === undefined || burstPerMinute === undefined || burstPerMinute <= perHour)
    return merged;
  return limits.perHour === undefined
    ? { ...merged, perHour: burstPerMinute }
    : { ...merged, burstPerMinute: perHour };
}

/** A snapshot is shared by every call in flight. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
