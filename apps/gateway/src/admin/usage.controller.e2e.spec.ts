import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Catch,
  Global,
  Module,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AuditLog } from '@sluice/auth';
import { configFromObjects, ConfigStore } from '@sluice/config';
import { Database, startTestPostgres, type TestPostgres } from '@sluice/database';
import { asGatewayError, Clock, SystemClock, uuidv7 } from '@sluice/kernel';
import { DeferredWork, Logger, Metrics, SilentLogger } from '@sluice/observability';
import { LimitsView } from '@sluice/token-limits';
import { NO_SAVINGS, UsageModule, UsageRecorder, type UsageEvent } from '@sluice/usage';
import { OwnUsageController } from '../usage/usage.controller.js';
import { usageAnswer } from './usage.contract.js';
import { UsageController } from './usage.controller.js';

/** Stands for the real guard: headers name the caller and its tenant; an administrator when none is named. */
class HeaderGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const tenant = String(request.headers['x-tenant'] ?? 'default');
    const id = String(request.headers['x-caller'] ?? 'root');
    request.caller = { tenant, id, kind: 'key', tier: 'admin', scopes: ['admin'] };
    return true;
  }
}

/** Stands for the real filter: shows which fault it was. */
@Catch()
class FaultFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const fault = asGatewayError(error);
    const body = { error: { code: fault.code, param: fault.param } };
    void host.switchToHttp().getResponse<FastifyReply>().status(fault.status).send(body);
  }
}

let server: TestPostgres;
let database: Database;
let app: NestFastifyApplication;
let dataDir: string;

beforeAll(async () => {
  server = await startTestPostgres();
  dataDir = await mkdtemp(join(tmpdir(), 'sluice-usage-api-'));
  const logger = new SilentLogger();
  const { url } = await server.createDatabase();
  database = await Database.open({
    settings: { url, poolMax: 4, dataDir, embedded: 'own' },
    logger,
  });
  const globals = [
    { provide: ConfigStore, useValue: configFromObjects({ env: { SLUICE_DATA_DIR: dataDir } }) },
    { provide: Database, useValue: database },
    { provide: Logger, useValue: logger },
    { provide: Metrics, useValue: new Metrics() },
    { provide: Clock, useValue: new SystemClock() },
    { provide: LimitsView, useValue: { ofCaller: async () => [] } },
    { provide: DeferredWork, useValue: new DeferredWork(logger) },
  ];
  @Global()
  @Module({ providers: globals, exports: globals.map(({ provide }) => provide) })
  class Globals {}
  const module = await Test.createTestingModule({
    imports: [Globals, UsageModule],
    controllers: [UsageController, OwnUsageController],
    providers: [AuditLog, { provide: APP_GUARD, useClass: HeaderGuard }],
  }).compile();
  app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
  app.useGlobalFilters(new FaultFilter());
  await app.init();
  const events = ['alice', 'bob'].flatMap((caller) => [
    anEvent({ caller, agent: '=cmd()' }),
    anEvent({ caller, tenant: 'acme' }),
  ]);
  await Promise.all(events.map((event) => app.get(UsageRecorder).record(event)));
  let stored = 0;
  while (stored < events.length) {
    const { rows } = await database.requests.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM token_usage',
    );
    stored = rows[0]?.n ?? 0;
  }
});
afterAll(async () => {
  await app.close();
  await server.stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

function anEvent(changes: Partial<UsageEvent>): UsageEvent {
  return {
    requestId: uuidv7(),
    at: Date.now() - 1_000,
    tenant: 'default',
    caller: 'alice',
    keyId: undefined,
    tier: 'paid',
    agent: undefined,
    session: undefined,
    route: '/v1/chat/completions',
    dialect: 'openai-chat',
    requestedModel: 'auto',
    model: 'm',
    provider: 'p',
    status: 200,
    outcome: 'completed',
    errorCode: undefined,
    cache: 'miss',
    stream: false,
    usage: { input: 3, output: 2, cachedInput: 0, cacheWrite: 0, reasoning: 0, estimated: false },
    costMicroUsd: 1_500_000,
    saved: NO_SAVINGS,
    durationUs: 1_000,
    ttftUs: undefined,
    overheadUs: 10,
    attempts: 1,
    path: 'direct',
    experiment: undefined,
    experimentArm: undefined,
    configVersion: 1,
    corrects: undefined,
    ...changes,
  };
}
async function get(path: string, tenant = 'default') {
  const answer = await app.inject({ url: `/v1/admin/${path}`, headers: { 'x-tenant': tenant } });
  return { status: answer.statusCode, answer, body: answer.body };
}
async function fault(path: string, tenant = 'default'): Promise<unknown> {
  const { status, body } = await get(path, tenant);
  return [status, JSON.parse(body).error.code, JSON.parse(body).error.param];
}

const SQL = `x' OR '1'='1'; DROP TABLE token_usage; --`;

describe('GET /v1/admin/usage', () => {
  it('answers in the shape that is documented, money in USD', async () => {
    const { status, body } = await get('usage?group_by=model,caller');
    expect(status).toBe(200);
    const answer = usageAnswer.parse(JSON.parse(body));
    expect(answer.data.map(({ caller, calls, cost_usd }) => [caller, calls, cost_usd])).toEqual([
      ['alice', 1, 1.5],
      ['bob', 1, 1.5],
    ]);
    expect(answer.totals).toMatchObject({ calls: 2, cost_usd: 3, total_tokens: 10 });
    expect(answer).toMatchObject({
      has_more: false,
      next_cursor: null,
      group_by: ['model', 'caller'],
    });
  });

  it('pages with the cursor that it gave', async () => {
    const first = usageAnswer.parse(JSON.parse((await get('usage?group_by=caller&limit=1')).body));
    const path = `usage?group_by=caller&limit=1&cursor=${first.next_cursor}`;
    const second = usageAnswer.parse(JSON.parse((await get(path)).body));
    expect([first.data[0]?.caller, second.data[0]?.caller]).toEqual(['alice', 'bob']);
    expect(second.has_more).toBe(false);
  });

  it.each([
    ['usage?from=2026-02-01&to=2026-01-01', 'from'],
    ['usage?from=2016-01-01&to=2026-01-01&group_by=hour', 'from'],
    ['usage?from=1999-01-01&to=2026-01-01', 'from'],
    ['usage?from=yesterday', 'from'],
    ['usage?to=2026-13-01', 'to'],
    ['usage?group_by=tenant', 'group_by'],
    ['usage?group_by=model%3BDROP%20TABLE%20token_usage', 'group_by'],
    ['usage?group_by=model,tier,day', 'group_by'],
    ['usage?limit=0', 'limit'],
    ['usage?limit=1%20OR%201=1', 'limit'],
    ['usage?cursor=%27%3B--', 'cursor'],
    ['usage?model=', 'model'],
    ['usage/export?from=2026-02-01&to=2026-01-01', 'from'],
  ])('refuses %s and names the parameter', async (path, param) => {
    expect(await fault(path)).toEqual([400, 'invalid_request', param]);
  });

  it.each(['from', 'to', 'group_by', 'limit', 'cursor'])('refuses SQL for %s', async (param) => {
    expect(await fault(`usage?${param}=${encodeURIComponent(SQL)}`)).toEqual([
      ...[400, 'invalid_request', param],
    ]);
  });

  it.each(['model', 'provider', 'tier', 'caller', 'agent', 'tenant'])(
    'takes SQL for %s as a name that nobody has',
    async (param) => {
      const { body } = await get(`usage?${param}=${encodeURIComponent(SQL)}`);
      expect(usageAnswer.parse(JSON.parse(body)).totals.calls).toBe(0);
      expect((await get(`usage/export?tenant=${encodeURIComponent(SQL)}`)).body).not.toContain(
        'alice',
      );
      const { rows } = await database.requests.query('SELECT 1 FROM token_usage');
      expect(rows).toHaveLength(4);
    },
  );

  it('shows a tenant’s administrators their own tenant alone', async () => {
    const own = usageAnswer.parse(JSON.parse((await get('usage', 'acme')).body));
    expect(own.totals.calls).toBe(2);
    expect(await fault('usage?tenant=default', 'acme')).toEqual([403, 'forbidden', 'tenant']);
    const asked = usageAnswer.parse(JSON.parse((await get('usage?tenant=acme')).body));
    expect(asked.totals.calls).toBe(2);
  });
});

describe('GET /v1/usage', () => {
  const own = async (query: string, caller: string, tenant = 'default') => {
    const headers = { 'x-tenant': tenant, 'x-caller': caller };
    const answer = await app.inject({ url: `/v1/usage${query}`, headers });
    return { status: answer.statusCode, body: JSON.parse(answer.body) };
  };

  it('shows a caller its own calls, and not those of its namesake in another tenant', async () => {
    const { status, body } = await own('', 'bob');
    expect(status).toBe(200);
    expect([body.caller, body.totals.calls, body.by_model.length]).toEqual(['bob', 1, 1]);
    expect((await own('', 'bob', 'nobody')).body.totals.calls).toBe(0);
    expect((await own('', SQL)).body.totals.calls).toBe(0);
  });

  it.each([
    ['?from=2026-02-01&to=2026-01-01', 'from'],
    ['?from=1990-01-01', 'from'],
    [`?from=${encodeURIComponent(`2026-01-01' OR 1=1`)}`, 'from'],
    ['?to=tomorrow', 'to'],
    // It knows no other callers and no other tenants.
    ['?caller=alice', 'caller'],
    ['?tenant=acme', 'tenant'],
  ])('refuses %s', async (query, param) => {
    const { status, body } = await own(query, 'bob');
    expect([status, body.error.code]).toEqual([400, 'invalid_request']);
    expect(body.error.param).toBe(param);
  });
});

describe('GET /v1/admin/usage/export', () => {
  it('streams the tenant’s events as CSV without formulas', async () => {
    const { status, answer, body } = await get('usage/export');
    expect(status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(answer.headers['content-disposition']).toMatch(/attachment; filename="usage-.*\.csv"/);
    const lines = body.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toContain(`"'=cmd()"`);
  });
});

describe('DELETE /v1/admin/callers/{id}/data', () => {
  it('takes SQL for an id that nobody has, and another tenant’s id for nothing of its own', async () => {
    expect((await erase(SQL, 'default')).anonymised_events).toBe(0);
    expect((await erase('alice', 'nobody')).anonymised_events).toBe(0);
    const url = '/v1/admin/callers/alice/data?tenant=default';
    const refused = await app.inject({ method: 'DELETE', url, headers: { 'x-tenant': 'acme' } });
    expect([refused.statusCode, JSON.parse(refused.body).error.param]).toEqual([403, 'tenant']);
    const { rows } = await database.requests.query(
      `SELECT 1 FROM token_usage WHERE caller = 'alice'`,
    );
    expect(rows).toHaveLength(2);
  });

  const erase = async (id: string, tenant: string) => {
    const url = `/v1/admin/callers/${encodeURIComponent(id)}/data`;
    const answer = await app.inject({ method: 'DELETE', url, headers: { 'x-tenant': tenant } });
    return JSON.parse(answer.body);
  };

  it('anonymises the caller’s events, leaves those of its namesake in another tenant, and is written down', async () => {
    expect(await erase('alice', 'acme')).toEqual({
      object: 'erasure',
      tenant: 'acme',
      caller: 'alice',
      deleted: { sessions: 0, history: 0, agent_states: 0 },
      anonymised_events: 1,
    });
    expect((await erase('alice', 'acme')).anonymised_events).toBe(0);
    const { rows } = await database.requests.query(
      `SELECT tenant FROM token_usage WHERE caller = 'alice'`,
    );
    expect(rows).toEqual([{ tenant: 'default' }]);
    const audit = await database.requests.query(
      `SELECT tenant, actor, subject FROM audit_log WHERE action = 'caller.erase' AND tenant = 'acme'`,
    );
    expect(audit.rows[0]).toEqual({ tenant: 'acme', actor: 'acme/root', subject: 'alice' });
  });
});
