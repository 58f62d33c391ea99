import { keysContract } from '@sluice/contracts';
import { alertsQuery } from '../admin/alerts.controller.js';
import { clearSchema, feedbackSchema, warmSchema } from '../admin/cache.controller.js';
import { overrideRequest } from '../admin/rate-limits.controller.js';
import { decisionsQuery, setFlagsRequest } from '../admin/routing.contract.js';
import {
  eraseQuery,
  erasureAnswer,
  usageExportQuery,
  usageQuery,
} from '../admin/usage.contract.js';
import * as budget from './answers/budget.answers.js';
import * as cache from './answers/cache.answers.js';
import * as configuration from './answers/configuration.answers.js';
import * as routing from './answers/routing.answers.js';
import type { RouteDoc } from './route-doc.js';

type AdminRouteDoc = Omit<RouteDoc, 'access'>;

const ROUTES: readonly AdminRouteDoc[] = [
  {
    method: 'get',
    path: '/v1/admin/keys',
    tag: 'Keys',
    summary: 'API keys of a tenant',
    query: keysContract.listKeysQuery,
    answer: keysContract.keyList,
  },
  {
    method: 'post',
    path: '/v1/admin/keys',
    tag: 'Keys',
    summary: 'Create an API key; it is shown this once',
    body: keysContract.createKeyRequest,
    answer: keysContract.createdKey,
    status: 201,
  },
  {
    method: 'patch',
    path: '/v1/admin/keys/{id}',
    tag: 'Keys',
    summary: 'Change a key’s tier',
    body: keysContract.changeKeyRequest,
    answer: keysContract.keyView,
  },
  {
    method: 'delete',
    path: '/v1/admin/keys/{id}',
    tag: 'Keys',
    summary: 'Revoke a key; effective everywhere within 5 s',
    answer: keysContract.keyView,
  },
  {
    method: 'post',
    path: '/v1/admin/keys/{id}/revoke',
    tag: 'Keys',
    summary: 'The same as a command',
    answer: keysContract.keyView,
  },
  {
    method: 'post',
    path: '/v1/admin/cache/clear',
    tag: 'Cache',
    summary: 'Forget entries: all, by pattern, or one namespace',
    body: clearSchema,
    answer: cache.clearAnswer,
  },
  {
    method: 'post',
    path: '/api/admin/cache/clear',
    tag: 'Cache',
    summary: 'The same at its older address',
    body: clearSchema,
    answer: cache.clearAnswer,
  },
  {
    method: 'post',
    path: '/v1/admin/cache/cleanup',
    tag: 'Cache',
    summary: 'Remove expired entries now',
    answer: cache.cleanupAnswer,
  },
  {
    method: 'post',
    path: '/v1/admin/cache/warm',
    tag: 'Cache',
    summary: 'Ask the given or configured questions in advance',
    body: warmSchema,
    answer: cache.warmAnswer,
  },
  {
    method: 'get',
    path: '/v1/admin/cache/stats',
    tag: 'Cache',
    summary: 'Hits, misses, sizes and latencies by tier; estimated wrong hits',
    answer: cache.statsAnswer,
  },
  {
    method: 'post',
    path: '/v1/admin/cache/feedback',
    tag: 'Cache',
    summary: 'Say whether a semantic hit was right; a wrong one is evicted with its neighbours',
    body: feedbackSchema,
    answer: cache.evictedAnswer,
  },
  {
    method: 'get',
    path: '/v1/admin/usage',
    tag: 'Usage',
    summary: 'Usage by up to two dimensions',
    query: usageQuery,
    answer: budget.usageReport,
  },
  {
    method: 'get',
    path: '/v1/admin/usage/export',
    tag: 'Usage',
    summary: 'Usage events as CSV',
    query: usageExportQuery,
    answer: budget.usageCsv,
    media: 'text/csv',
  },
  {
    method: 'delete',
    path: '/v1/admin/callers/{id}/data',
    tag: 'Usage',
    summary: 'Erase a caller’s history and anonymise its events',
    query: eraseQuery,
    answer: erasureAnswer,
  },
  {
    method: 'get',
    path: '/v1/admin/budgets',
    tag: 'Budgets',
    summary: 'Spent, reserved, left and projected, per limit',
    answer: budget.budgetsAnswer,
  },
  {
    method: 'post',
    path: '/v1/admin/budgets/shutdown',
    tag: 'Budgets',
    summary: 'Stop paid calls; cached answers go on',
    answer: budget.shutdownAnswer,
  },
  {
    method: 'post',
    path: '/v1/admin/budgets/resume',
    tag: 'Budgets',
    summary: 'Let paid calls run again',
    answer: budget.shutdownAnswer,
  },
  {
    method: 'get',
    path: '/v1/admin/alerts',
    tag: 'Budgets',
    summary: 'Alerts that have fired: budgets, performance, flags rolled back',
    query: alertsQuery,
    answer: budget.alertsAnswer,
  },
  {
    method: 'post',
    path: '/v1/admin/rate-limits/override',
    tag: 'Budgets',
    summary: 'An emergency request limit with an expiry',
    body: overrideRequest,
    answer: budget.overrideAnswer,
  },
  {
    method: 'get',
    path: '/v1/admin/performance',
    tag: 'Routing',
    summary: 'Latency, success and service-level verdict per path',
    answer: routing.performanceAnswer,
  },
  {
    method: 'get',
    path: '/v1/admin/routing/decisions',
    tag: 'Routing',
    summary: 'Why each recent call went where it went',
    query: decisionsQuery,
    answer: routing.decisionsAnswer,
  },
  {
    method: 'get',
    path: '/v1/admin/routing/models',
    tag: 'Routing',
    summary: 'Health, breaker state and upgrades of each model',
    answer: routing.routedModelsAnswer,
  },
  {
    method: 'get',
    path: '/v1/admin/experiments',
    tag: 'Routing',
    summary: 'Running experiments',
    answer: routing.experimentsAnswer,
  },
  {
    method: 'get',
    path: '/v1/admin/experiments/{id}',
    tag: 'Routing',
    summary: 'Report of one experiment',
    answer: routing.experimentAnswer,
  },
  {
    method: 'get',
    path: '/v1/admin/flags',
    tag: 'Configuration',
    summary: 'Feature flags',
    answer: configuration.flagsAnswer,
  },
  {
    method: 'put',
    path: '/v1/admin/flags',
    tag: 'Configuration',
    summary: 'Turn flags on or off, or watch them',
    body: setFlagsRequest,
    answer: configuration.flagsAnswer,
  },
  {
    method: 'get',
    path: '/v1/admin/config',
    tag: 'Configuration',
    summary: 'What serves now, secrets masked',
    answer: configuration.configAnswer,
  },
  {
    method: 'post',
    path: '/v1/admin/config/reload',
    tag: 'Configuration',
    summary: 'Read both files again',
    answer: configuration.reloadAnswer,
  },
];

export const ADMIN_ROUTES: readonly RouteDoc[] = ROUTES.map((route) => ({
  ...route,
  access: 'admin',
}));
