import type { Path } from './problem.js';
import type { PoliciesConfig, TierPolicy } from './policies.schema.js';
import { mustBe, mustNotExceed, type Report } from './sluice.references.js';
import type { ModelConfig, SluiceConfig } from './sluice.schema.js';

type Requests = TierPolicy['requests'];
type Tokens = TierPolicy['tokens'];
type Budget = TierPolicy['budget'];
const GRADE_ORDER = ['simple', 'medium', 'complex'];

/** Limits in policies.yaml that contradict one another. */
export function checkPolicies(policies: PoliciesConfig, report: Report): void {
  for (const [name, tier] of Object.entries(policies.tiers)) {
    const at = (...rest: Path): Path => ['tiers', name, ...rest];
    checkRequests(tier.requests, at('requests'), report);
    checkTokens(tier.tokens, at('tokens'), report);
    checkBudget(tier.budget, at('budget'), report);
    checkTokens(tier.total?.tokens, at('total', 'tokens'), report);
    checkBudget(tier.total?.budget, at('total', 'budget'), report);
    for (const [route, { requests }] of Object.entries(tier.routes)) {
      if (!route.startsWith('/')) report(at('routes', route), 'expected a path that starts with /');
      checkRequests(requests, at('routes', route, 'requests'), report);
    }
  }
  for (const [id, provider] of Object.entries(policies.providers)) {
    checkBudget(provider.budget, ['providers', id, 'budget'], report);
    for (const [model, policy] of Object.entries(provider.models)) {
      const at = (...rest: Path): Path => ['providers', id, 'models', model, ...rest];
      checkBudget(policy.budget, at('budget'), report);
      for (const part of ['inputTokensPerDay', 'outputTokensPerDay'] as const) {
        mustNotExceed([policy[part], policy.tokensPerDay], [at(part), 'tokensPerDay'], report);
      }
    }
  }
  for (const [tenant, policy] of Object.entries(policies.tenants)) {
    checkTokens(policy.tokens, ['tenants', tenant, 'tokens'], report);
    checkBudget(policy.budget, ['tenants', tenant, 'budget'], report);
  }
  const { system, throttle } = policies;
  mustNotExceed(
    [system.tokensPerDay, system.tokensPerMonth],
    [['system', 'tokensPerDay'], 'tokensPerMonth'],
    report,
  );
  checkBudget(system.budget, ['system', 'budget'], report);
  mustNotExceed(
    [throttle.backoff.min, throttle.backoff.max],
    [['throttle', 'backoff', 'min'], 'max (milliseconds)'],
    report,
  );
  policies.alerts.thresholds.forEach((threshold, i, all) => {
    if (all.indexOf(threshold) !== i) {
      report(['alerts', 'thresholds', i], `found ${String(threshold)} again; allowed: each once`);
    }
  });
  const { webhook } = policies.alerts;
  if (webhook !== undefined && !/^https?:\/\/[^/]/.test(webhook)) {
    report(['alerts', 'webhook'], 'expected an http or https URL');
  }
}

function checkRequests(requests: Requests, path: Path, report: Report): void {
  if (requests === 'unlimited') return;
  const { burstPerMinute, perHour } = requests;
  mustNotExceed([burstPerMinute, perHour], [[...path, 'burstPerMinute'], 'perHour'], report);
}

function checkTokens(tokens: Tokens | undefined, path: Path, report: Report): void {
  if (tokens === undefined || tokens === 'unlimited') return;
  mustNotExceed([tokens.perDay, tokens.perMonth], [[...path, 'perDay'], 'perMonth'], report);
}

function checkBudget(budget: Budget | undefined, path: Path, report: Report): void {
  if (budget === undefined || budget === 'unlimited') return;
  const { dailyUsd, monthlyUsd } = budget;
  mustNotExceed([dailyUsd, monthlyUsd], [[...path, 'dailyUsd'], 'monthlyUsd'], report);
}

export interface BothReports {
  readonly sluice: Report;
  readonly policies: Report;
}

/** What the two files say about each other. */
export function checkBoth(
  sluice: SluiceConfig,
  policies: PoliciesConfig,
  report: BothReports,
): void {
  const tiers = Object.keys(policies.tiers);
  sluice.models.forEach((model, i) =>
    model.tiers?.forEach((tier, j) =>
      mustBe(tier, tiers, ['models', i, 'tiers', j], report.sluice),
    ),
  );
  sluice.usage.history.tiers.forEach((tier, i) =>
    mustBe(tier, tiers, ['usage', 'history', 'tiers', i], report.sluice),
  );
  const providers = sluice.providers.map((provider) => provider.id);
  for (const [id, provider] of Object.entries(policies.providers)) {
    mustBe(id, providers, ['providers', id], report.policies);
    const models = sluice.models.filter((model) => model.provider === id).map((model) => model.id);
    for (const model of Object.keys(provider.models)) {
      mustBe(model, models, ['providers', id, 'models', model], report.policies);
    }
  }
  checkDegrade(sluice, policies, report.policies);
  checkPriced(sluice, policies, report.sluice);
}

function checkDegrade(sluice: SluiceConfig, policies: PoliciesConfig, report: Report): void {
  const grades = GRADE_ORDER.filter((grade) =>
    sluice.models.some((model) => model.grade === grade),
  );
  policies.degrade.forEach(({ from, to }, i) => {
    if (GRADE_ORDER.indexOf(to) >= GRADE_ORDER.indexOf(from)) {
      report(['degrade', i, 'to'], `found "${to}"; expected a grade below "${from}"`);
      return;
    }
    if (grades.includes(to)) return;
    const list = grades.length === 0 ? 'no model has a grade' : `models have: ${grades.join(', ')}`;
    report(['degrade', i, 'to'], `found "${to}", but no model is of that grade; ${list}`);
  });
}

/** A call without a price would pass under every money budget unseen. The sandbox costs nothing by nature. */
function checkPriced(sluice: SluiceConfig, policies: PoliciesConfig, report: Report): void {
  const kinds = new Map(sluice.providers.map((provider) => [provider.id, provider.kind]));
  sluice.models.forEach((model, i) => {
    if (model.price !== undefined || kinds.get(model.provider) === 'sandbox') return;
    const budget = moneyBudget(model, policies);
    if (budget === undefined) return;
    report(
      ['models', i, 'price'],
      `missing on "${model.id}", which ${budget} limits in money; ` +
        'expected price: { input, output } in USD per million tokens (0 for a model that is free)',
    );
  });
}

function moneyBudget(model: ModelConfig, policies: PoliciesConfig): string | undefined {
  const provider = policies.providers[model.provider];
  const budgets: [string, Budget | undefined][] = [
    ['policies system.budget', policies.system.budget],
    [`policies providers.${model.provider}.budget`, provider?.budget],
    [`the policy of model ${model.id}`, provider?.models[model.id]?.budget],
    ...Object.entries(policies.tenants).map(([name, tenant]): [string, Budget | undefined] => [
      `policies tenants.${name}.budget`,
      tenant.budget,
    ]),
    ...Object.entries(policies.tiers)
      .filter(([name]) => model.tiers?.includes(name) ?? true)
      .flatMap(([name, tier]): [string, Budget | undefined][] => [
        [`policies tiers.${name}.budget`, tier.budget],
        [`policies tiers.${name}.total.budget`, tier.total?.budget],
      ]),
  ];
  return budgets.find(([, budget]) => limitsMoney(budget))?.[0];
}

function limitsMoney(budget: Budget | undefined): boolean {
  return (
    budget !== undefined &&
    budget !== 'unlimited' &&
    (budget.dailyUsd !== undefined || budget.monthlyUsd !== undefined)
  );
}
