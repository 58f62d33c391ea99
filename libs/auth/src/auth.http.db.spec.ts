import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Catch, Controller, Get, Global, Head, Module, Post, Req } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter, INestApplication } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { FastifyReply } from 'fastify';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { ConfigModule, configFromObjects } from '@sluice/config';
import { Database, DatabaseModule, startTestPostgres, type TestPostgres } from '@sluice/database';
import { asGatewayError, Clock, SystemClock, SYSTEM_CALLER, type Caller } from '@sluice/kernel';
import { DeferredWork, Logger, Metrics, SilentLogger } from '@sluice/observability';
import { AdminOnly, Public } from './access.decorator.js';
import { ApiKeyGuard } from './api-key.guard.js';
import { AuthModule } from './auth.module.js';
import { KeyService } from './keys/key.service.js';

@Controller()
class PlainController {
  @Get('who')
  who(@Req() request: { caller?: Caller }): unknown {
    return request.caller;
  }
  @Post('who')
  tell(@Req() request: { caller?: Caller }): unknown {
    return request.caller;
  }
  @Public()
  @Get('open')
  open(@Req() request: { caller?: Caller }): unknown {
    return { caller: request.caller ?? null };
  }
  @Public()
  @Head('open-head')
  head(): void {
    /* nothing to say */
  }
}

@Controller('v1/admin/things')
@AdminOnly()
class AdminController {
  @Get(':id')
  one(): unknown {
    return { secret: true };
  }
}

/** Stands for the app's filter. */
@Catch()
class Filter implements ExceptionFilter {
  catch(thrown: unknown, host: ArgumentsHost): void {
    const status = (thrown as { status?: number }).status;
    const error = asGatewayError(thrown);
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    void reply.status(status ?? error.status).send({ code: error.code, message: error.message });
  }
}

@Global()
@Module({
  providers: [
    Metrics,
    { provide: Logger, useClass: SilentLogger },
    { provide: Clock, useClass: SystemClock },
    { provide: DeferredWork, useFactory: () => new DeferredWork(new SilentLogger()) },
  ],
  exports: [Metrics, Logger, Clock, DeferredWork],
})
class Surroundings {}

let postgres: TestPostgres;
let dir: string;
let first: NestFastifyApplication;
let adminKey: string;
const running: INestApplication[] = [];
const tiers = { anonymous: {}, free: {}, paid: {}, admin: {} };
let url: string;

async function gateway(
  options: { env?: Record<string, string>; anonymous?: boolean; dataDir?: string } = {},
): Promise<NestFastifyApplication> {
  const config = configFromObjects({
    sluice: { auth: { anonymous: options.anonymous ?? true } },
    policies: { tiers },
    env: { DATABASE_URL: url, SLUICE_DATA_DIR: options.dataDir ?? dir, ...options.env },
  });
  const module = await Test.createTestingModule({
    imports: [ConfigModule.with(config), Surroundings, DatabaseModule.with(), AuthModule],
    controllers: [PlainController, AdminController],
    providers: [{ provide: APP_GUARD, useExisting: ApiKeyGuard }],
  }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
  app.useGlobalFilters(new Filter());
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  running.push(app);
  return app;
}

interface Answer {
  readonly status: number;
  readonly body: { code?: string; message?: string } & Partial<Caller>;
}

async function ask(
  app: NestFastifyApplication,
  path: string,
  headers: Record<string, string> = {},
  method: 'GET' | 'POST' | 'HEAD' = 'GET',
): Promise<Answer> {
  const response = await app.inject({ method, url: path, headers });
  return {
    status: response.statusCode,
    body: response.body === '' ? {} : response.json(),
  };
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

beforeAll(async () => {
  postgres = await startTestPostgres();
  ({ url } = await postgres.createDatabase());
  dir = await mkdtemp(join(tmpdir(), 'sluice-auth-'));
  first = await gateway();
  adminKey = (await readFile(join(dir, 'admin.key'), 'utf8')).trim();
});
afterAll(async () => {
  for (const app of running) await app.close();
  await postgres.stop();
  await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

const service = () => first.get(KeyService, { strict: false });
const database = () => first.get(Database, { strict: false });

describe('who is calling', () => {
  it('is anonymous without a key, told apart by address', async () => {
    expect(await ask(first, '/who')).toMatchObject({
      status: 200,
      body: { kind: 'anonymous', id: 'ip:127.0.0.1', tier: 'anonymous' },
    });
  });

  it('must have a key where anonymous callers are not wanted', async () => {
    const closed = await gateway({ anonymous: false });
    const { status, body } = await ask(closed, '/who');
    expect(status).toBe(401);
    expect(body.message).toContain('Authorization: Bearer');
    expect((await ask(closed, '/open')).status).toBe(200);
  });

  it('is the owner of the key, sent in either header', async () => {
    const { key, view } = await service().create(SYSTEM_CALLER, {
      name: 'a',
      tier: 'paid',
      tenant: 'acme',
      owner: 'team-a',
    });
    const expected = { kind: 'key', id: 'team-a', tenant: 'acme', tier: 'paid', keyId: view.id };
    expect(await ask(first, '/who', bearer(key))).toMatchObject({ status: 200, body: expected });
    expect(await ask(first, '/who', { 'x-api-key': key })).toMatchObject({ body: expected });
  });

  it('is refused with a tier that is not configured, by name', async () => {
    const { key, view } = await service().create(SYSTEM_CALLER, { name: 'old', tier: 'free' });
    await database().requests.query(`UPDATE api_keys SET tier = 'gold' WHERE id = $1`, [view.id]);
    const other = await gateway();
    const { status, body } = await ask(other, '/who', bearer(key));
    expect({ status, code: body.code }).toEqual({ status: 403, code: 'forbidden' });
    expect(body.message).toContain('"gold"');
  });

  it('finds nothing by SQL in a key, on the way that is taken before anybody is known', async () => {
    for (const text of [
      `sk-sluice-' OR '1'='1`,
      `' OR 1=1 --`,
      `sk-sluice-${"'".repeat(43)}`,
      '\\x00',
    ]) {
      const { status } = await ask(first, '/who', { 'x-api-key': text });
      expect(status).toBe(401);
    }
    const { rows } = await database().requests.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM api_keys',
    );
    expect(rows[0]?.n).toBeGreaterThan(0);
  });

  it('is refused with a wrong key although anonymous callers are welcome', async () => {
    expect((await ask(first, '/who', bearer(`sk-sluice-${'x'.repeat(43)}`))).status).toBe(401);
    expect((await ask(first, '/who', bearer(adminKey.slice(0, -1)))).status).toBe(401);
    expect((await ask(first, '/who', bearer(`${adminKey}a`))).status).toBe(401);
  });
});

describe('one connection', () => {
  it('is whoever each of its requests says, and nobody once the key is revoked', async () => {
    const [one, two] = await Promise.all(
      ['one', 'two'].map((owner) =>
        service().create(SYSTEM_CALLER, { name: owner, tier: 'paid', owner }),
      ),
    );
    const app = await gateway();
    await app.listen(0, '127.0.0.1');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    const who = async (key: string): Promise<unknown> => {
      const headers = bearer(key);
      const request = get(`${await app.getUrl()}/who`, { agent, headers });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      sockets.add(response.socket);
      return ((await json(response)) as { id?: string; code?: string }).id ?? response.statusCode;
    };
    expect(await who(one!.key)).toBe('one');
    expect(await who(one!.key)).toBe('one');
    expect(await who(two!.key)).toBe('two');
    expect(await who(adminKey)).toBe('sluice:admin');
    expect(await who(one!.key)).toBe('one');
    await app.get(KeyService, { strict: false }).revoke(SYSTEM_CALLER, one!.view.id);
    expect(await who(one!.key)).toBe(401);
    expect(sockets.size).toBe(1);
    agent.destroy();
  });
});

describe('what a route demands', () => {
  it('is decided by the handler that matched, whatever Host, path spelling or headers say', async () => {
    const { key } = await service().create(SYSTEM_CALLER, { name: 'b', tier: 'paid' });
    const spellings = [
      '/v1/admin/things/1',
      '/v1/admin/things/1?x=/open',
      '/v1/admin/things/%2e%2e%2fopen',
      '/v1/%61dmin/things/1',
    ];
    const disguises: Record<string, string>[] = [
      {},
      { host: 'localhost' },
      { host: '127.0.0.1:3000/open?' },
      { 'x-original-url': '/open' },
      { 'x-rewrite-url': '/open' },
      { 'x-forwarded-for': '127.0.0.1' },
      { 'x-forwarded-host': 'internal' },
      { 'x-http-method-override': 'HEAD' },
    ];
    for (const path of spellings) {
      for (const disguise of disguises) {
        expect((await ask(first, path, { ...disguise, ...bearer(key) })).status).toBe(403);
        expect((await ask(first, path, disguise)).status).toBe(401);
        expect((await ask(first, path, { ...disguise, ...bearer(adminKey) })).status).toBe(200);
      }
    }
  });

  it('is an identity unless it says otherwise, and open routes have none', async () => {
    expect(await ask(first, '/open', bearer(adminKey))).toMatchObject({ body: { caller: null } });
    expect((await ask(first, '/open-head', {}, 'HEAD')).status).toBe(200);
    expect((await ask(first, '/who', {}, 'POST')).status).toBe(201);
  });

  it('is the admin scope and not the tier admin', async () => {
    const { key } = await service().create(SYSTEM_CALLER, { name: 'c', tier: 'admin' });
    expect((await ask(first, '/v1/admin/things/1', bearer(key))).status).toBe(403);
    const scoped = await service().create(SYSTEM_CALLER, {
      name: 'd',
      tier: 'free',
      scopes: ['admin'],
    });
    expect((await ask(first, '/v1/admin/things/1', bearer(scoped.key))).status).toBe(200);
  });
});

describe('the keys in the database', () => {
  it('are nowhere in plain, nor as a hash that can be computed without the pepper', async () => {
    const { key } = await service().create(SYSTEM_CALLER, { name: 'canary', tier: 'paid' });
    const { createHash } = await import('node:crypto');
    const { rows } = await database().requests.query<{ all: string }>(
      `SELECT string_agg(k::text, ' ') || (SELECT string_agg(a::text, ' ') FROM audit_log a) AS all FROM api_keys k`,
    );
    const everything = rows[0]!.all;
    expect(everything).toContain('canary');
    expect(everything).not.toContain(key);
    expect(everything).not.toContain(key.slice(10, 20));
    for (const plain of [key, key.slice(10)]) {
      expect(everything).not.toContain(createHash('sha256').update(plain).digest('hex'));
    }
  });

  it('stop working on every replica within 5 s of a revocation, and at once on the one that revoked', async () => {
    const second = await gateway();
    const { key, view } = await service().create(SYSTEM_CALLER, { name: 'e', tier: 'paid' });
    expect((await ask(first, '/who', bearer(key))).status).toBe(200);
    expect((await ask(second, '/who', bearer(key))).status).toBe(200);
    await service().revoke(SYSTEM_CALLER, view.id);
    const revoked = performance.now();
    expect((await ask(first, '/who', bearer(key))).status).toBe(401);
    // In use all the time, so that it is renewed in the background and never looked up afresh.
    while ((await ask(second, '/who', bearer(key))).status === 200) {
      expect(performance.now() - revoked).toBeLessThan(5_000);
      await new Promise((tick) => setTimeout(tick, 50));
    }
    expect(performance.now() - revoked).toBeLessThan(5_000);
  });

  it('leave an audit row for each change, with who, what and to which, in the same transaction', async () => {
    const by: Caller = { ...SYSTEM_CALLER, id: 'alice' };
    const { view } = await service().create(by, { name: 'f', tier: 'free', tenant: 'acme' });
    await service().changeTier(by, view.id, 'paid');
    await service().revoke(by, view.id);
    const { rows } = await database().requests.query(
      'SELECT tenant, actor, action, details FROM audit_log WHERE subject = $1 ORDER BY id',
      [view.id],
    );
    expect(rows).toEqual([
      {
        tenant: 'acme',
        actor: 'default/alice',
        action: 'key.create',
        details: { name: 'f', tier: 'free', owner: null, scopes: [], expiresAt: null },
      },
      {
        tenant: 'acme',
        actor: 'default/alice',
        action: 'key.change_tier',
        details: { tier: 'paid' },
      },
      { tenant: 'acme', actor: 'default/alice', action: 'key.revoke', details: {} },
    ]);
  });

  it('are not changed when the audit row cannot be written', async () => {
    const { view } = await service().create(SYSTEM_CALLER, { name: 'g', tier: 'free' });
    await database().requests.query('ALTER TABLE audit_log RENAME TO gone');
    await expect(service().revoke(SYSTEM_CALLER, view.id)).rejects.toThrow('audit_log');
    await database().requests.query('ALTER TABLE gone RENAME TO audit_log');
    const [found] = await service().list(SYSTEM_CALLER, { limit: 1 });
    expect(found).toMatchObject({ id: view.id, revokedAt: null });
  });

  it('of another tenant can be neither seen, changed, revoked nor made', async () => {
    const acme: Caller = { ...SYSTEM_CALLER, tenant: 'acme', id: 'boss' };
    const { view } = await service().create(SYSTEM_CALLER, {
      name: 'h',
      tier: 'free',
      tenant: 'umbrella',
    });
    await expect(service().revoke(acme, view.id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(service().changeTier(acme, view.id, 'paid')).rejects.toMatchObject({
      code: 'not_found',
    });
    const wanted = { name: 'i', tier: 'free', tenant: 'umbrella' };
    await expect(service().create(acme, wanted)).rejects.toMatchObject({ code: 'forbidden' });
    expect(await service().list(acme, { limit: 10, tenant: 'umbrella' })).toEqual([]);
    const own = await service().list(acme, { limit: 100 });
    expect(own.length).toBeGreaterThan(0);
    expect(own.every((key) => key.tenant === 'acme')).toBe(true);
    const umbrella = await service().list(SYSTEM_CALLER, { limit: 10, tenant: 'umbrella' });
    expect(umbrella.map((key) => key.id)).toEqual([view.id]);
  });

  it('are refused with a reason when the request makes no sense', async () => {
    const wrong = service().create(SYSTEM_CALLER, { name: 'j', tier: 'gold' });
    await expect(wrong).rejects.toMatchObject({ code: 'invalid_request', param: 'tier' });
    const past = { name: 'k', tier: 'free', expiresAt: new Date(0) };
    await expect(service().create(SYSTEM_CALLER, past)).rejects.toMatchObject({
      param: 'expires_at',
    });
    await expect(service().revoke(SYSTEM_CALLER, 'no-uuid')).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('made with another pepper stop the start instead of failing one by one', async () => {
    const elsewhere = join(dir, 'elsewhere');
    await expect(gateway({ dataDir: elsewhere })).rejects.toThrow(
      /another pepper.*SLUICE_KEY_PEPPER/s,
    );
    const pepper = (await readFile(join(dir, 'key.pepper'), 'utf8')).trim();
    const same = await gateway({ dataDir: elsewhere, env: { SLUICE_KEY_PEPPER: pepper } });
    expect((await ask(same, '/who')).status).toBe(200);
  });

  it('keep working for callers of the last minutes while the database is away', async () => {
    const replica = await gateway();
    const { key } = await service().create(SYSTEM_CALLER, { name: 'l', tier: 'paid' });
    expect((await ask(replica, '/who', bearer(key))).status).toBe(200);
    await replica.get(Database, { strict: false }).close();
    await new Promise((tick) => setTimeout(tick, 3_600));
    expect((await ask(replica, '/who', bearer(key))).status).toBe(200);
    expect((await ask(replica, '/who', bearer(adminKey))).status).toBe(200);
    const stranger = await ask(replica, '/who', bearer(`sk-sluice-${'y'.repeat(43)}`));
    expect(stranger).toMatchObject({ status: 503, body: { code: 'overloaded' } });
  });
});

describe('the first admin key', () => {
  it('is the one of the environment when that is set, and then no file is written', async () => {
    const given = 'an-operator-chose-this-one';
    const dataDir = join(dir, 'given');
    const pepper = (await readFile(join(dir, 'key.pepper'), 'utf8')).trim();
    const app = await gateway({
      dataDir,
      env: { SLUICE_ADMIN_KEY: given, SLUICE_KEY_PEPPER: pepper },
    });
    expect((await ask(app, '/v1/admin/things/1', bearer(given))).status).toBe(200);
    expect((await ask(app, '/v1/admin/things/1', bearer(adminKey))).status).toBe(401);
    await expect(readFile(join(dataDir, 'admin.key'))).rejects.toThrow('ENOENT');
  });

  it.each(['admin', 'sluice', 'sk-sluice-admin', 'password', 'changeme'])(
    'is not the well-known word %s',
    async (word) => {
      expect((await ask(first, '/v1/admin/things/1', bearer(word))).status).toBe(401);
    },
  );
});
