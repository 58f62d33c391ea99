import { createHash } from 'node:crypto';
import type { ModelPolicy, PoliciesConfig, TierPolicy } from '@sluice/config';
import { GatewayError, isAdmin, usdToMicro, type Caller } from '@sluice/kernel';
import type { Limit, ScopeKind, Unit } from './limit.js';
import type { Span } from './period.js';

/** Whose limits are asked for. */
export interface LimitedCall {
  readonly caller: Caller;
  readonly provider?: string;
  readonly model?: string;
}

type Tokens = TierPolicy['tokens'] | undefined;
type Budget = TierPolicy['budget'] | undefined;

/** By configuration, caller and target: the same few questions are asked several times for each call. */
const known = new WeakMap<PoliciesConfig, WeakMap<Caller, Map<string, readonly Limit[]>>>();

/**
 * Every limit that a call falls under. A tier's tokens and budget are each caller's own; its `total` is what
 * all its callers have together. Administrators have no limits of tier and caller.
 * @throws GatewayError forbidden when the caller's tier is not configured
 */
export function limitsOf(policies: PoliciesConfig, call: LimitedCall): readonly Limit[] {
  let callers = known.get(policies);
  if (callers === undefined) {
    callers = new WeakMap();
    known.set(policies, callers);
  }
  let targets = callers.get(call.caller);
  if (targets === undefined) {
    targets = new Map<string, readonly Limit[]>();
    callers.set(call.caller, targets);
  }
  const target = `${call.provider ?? ''}\n${call.model ?? ''}`;
  let limits = targets.get(target);
  if (limits === undefined) {
    limits = findLimits(policies, call);
    targets.set(target, limits);
  }
  return limits;
}

function findLimits(policies: PoliciesConfig, call: LimitedCall): readonly Limit[] {
  const { caller } = call;
  const limits: Limit[] = [];
  const { system } = policies;
  limits.push(
    ...tokenLimits('system', 'system', {
      perDay: system.tokensPerDay,
      perMonth: system.tokensPerMonth,
    }),
    ...moneyLimits('system', 'system', system.budget),
  );
  if (call.provider !== undefined)
    limits.push(...targetLimits(policies, call.provider, call.model));
  const tenant = own(policies.tenants, caller.tenant);
  limits.push(
    ...tokenLimits('tenant', `tenant:${caller.tenant}`, tenant?.tokens),
    ...moneyLimits('tenant', `tenant:${caller.tenant}`, tenant?.budget),
  );
  if (isAdmin(caller)) return limits;
  const tier = own(policies.tiers, caller.tier);
  if (tier === undefined) {
    throw new GatewayError('forbidden', `The tier "${caller.tier}" is not configured here.`, {
      shouldRetry: false,
    });
  }
  const me = callerScope(caller);
  limits.push(
    ...tokenLimits('tier', `tier:${caller.tier}`, tier.total?.tokens),
    ...moneyLimits('tier', `tier:${caller.tier}`, tier.total?.budget),
    ...tokenLimits('caller', me, tier.tokens),
    ...moneyLimits('caller', me, tier.budget),
  );
  return limits;
}

/** The limits that stand in the file by name: all but the callers'. */
export function namedLimits(policies: PoliciesConfig): readonly Limit[] {
  const nobody = (tenant: string, tier: string): Caller => ({
    tenant,
    id: '',
    kind: 'system',
    tier,
    scopes: [],
  });
  const limits: Limit[] = [];
  const tier = Object.keys(policies.tiers)[0] ?? '';
  if (tier === '') return limitsOf(policies, { caller: { ...nobody('', ''), scopes: ['admin'] } });
  for (const [provider, { models }] of Object.entries(policies.providers)) {
    limits.push(...targetLimits(policies, provider, undefined));
    for (const model of Object.keys(models)) {
      limits.push(...targetLimits(policies, provider, model).filter((l) => l.kind === 'model'));
    }
  }
  limits.push(
    ...limitsOf(policies, { caller: nobody('', tier) }).filter((l) => l.kind === 'system'),
  );
  for (const tenant of Object.keys(policies.tenants)) {
    limits.push(
      ...limitsOf(policies, { caller: nobody(tenant, tier) }).filter((l) => l.kind === 'tenant'),
    );
  }
  for (const name of Object.keys(policies.tiers)) {
    limits.push(
      ...limitsOf(policies, { caller: nobody('', name) }).filter((l) => l.kind === 'tier'),
    );
  }
  return limits;
}

/** Maxima of one request to a model. */
export function modelPolicy(
  policies: PoliciesConfig,
  provider: string,
  model: string,
): ModelPolicy | undefined {
  const of = own(policies.providers, provider);
  return of === undefined ? undefined : own(of.models, model);
}

export function callerScope(caller: Caller): string {
  const id = `${caller.tenant}/${caller.id}`;
  if (id.length <= 160) return `caller:${id}`;
  return `caller:#${createHash('sha256').update(id).digest('base64url')}`;
}

function targetLimits(
  policies: PoliciesConfig,
  provider: string,
  model: string | undefined,
): readonly Limit[] {
  const limits: Limit[] = [];
  const policy = own(policies.providers, provider);
  limits.push(...moneyLimits('provider', `provider:${provider}`, policy?.budget));
  const of = policy === undefined || model === undefined ? undefined : own(policy.models, model);
  if (of === undefined || model === undefined) return limits;
  const scope = `model:${model}`;
  limits.push(
    ...limit('model', scope, 'tokens', 'day', of.tokensPerDay),
    ...limit('model', scope, 'input_tokens', 'day', of.inputTokensPerDay),
    ...limit('model', scope, 'output_tokens', 'day', of.outputTokensPerDay),
    ...moneyLimits('model', scope, of.budget),
  );
  return limits;
}

function tokenLimits(
  kind: ScopeKind,
  scope: string,
  tokens: Tokens | { perDay?: number | undefined; perMonth?: number | undefined },
): readonly Limit[] {
  if (tokens === undefined || tokens === 'unlimited') return [];
  return [
    ...limit(kind, scope, 'tokens', 'day', tokens.perDay),
    ...limit(kind, scope, 'tokens', 'month', tokens.perMonth),
  ];
}

function moneyLimits(kind: ScopeKind, scope: string, budget: Budget): readonly Limit[] {
  if (budget === undefined || budget === 'unlimited') return [];
  const micro = (usd: number | undefined) => (usd === undefined ? undefined : usdToMicro(usd));
  return [
    ...limit(kind, scope, 'micro_usd', 'day', micro(budget.dailyUsd)),
    ...limit(kind, scope, 'micro_usd', 'month', micro(budget.monthlyUsd)),
  ];
}

function limit(
  kind: ScopeKind,
  scope: string,
  unit: Unit,
  span: Span,
  amount: number | undefined,
): readonly Limit[] {
  return amount === undefined ? [] : [{ kind, scope, unit, span, limit: amount }];
}

function own<V>(record: Readonly<Record<string, V>>, key: string): V | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
