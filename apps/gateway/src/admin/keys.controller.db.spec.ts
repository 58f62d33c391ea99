import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { FastifyReply } from 'fastify';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiKeyGuard, AuthModule, KeyService } from '@sluice/auth';
import { ConfigModule, configFromObjects } from '@sluice/config';
import { keysContract } from '@sluice/contracts';
import { Database, DatabaseModule, startTestPostgres, type TestPostgres } from '@sluice/database';
import { asGatewayError, Clock, SystemClock } from '@sluice/kernel';
import { DeferredWork, Logger, Metrics, SilentLogger } from '@sluice/observability';
import { keysCommand } from './keys.command.js';
import { KeysController } from './keys.controller.js';

const ADMIN = 'an-admin-key-for-this-test';

/** Shows code and param of an error; its wire form is the business of another test. */
@Catch()
class Filter implements ExceptionFilter {
  catch(thrown: unknown, host: ArgumentsHost): void {
    const error = asGatewayError(thrown);
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    void reply
      .status(error.status)
      .send({ code: error.code, param: error.param, message: error.message });
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
let app: NestFastifyApplication;

beforeAll(async () => {
  postgres = await startTestPostgres();
  const { url } = await postgres.createDatabase();
  dir = await mkdtemp(join(tmpdir(), 'sluice-keys-'));
  const config = configFromObjects({
    policies: { tiers: { anonymous: {}, free: {}, paid: {}, admin: {} } },
    env: { DATABASE_URL: url, SLUICE_DATA_DIR: dir, SLUICE_ADMIN_KEY: ADMIN },
  });
  const module = await Test.createTestingModule({
    imports: [ConfigModule.with(config), Surroundings, DatabaseModule.with(), AuthModule],
    controllers: [KeysController],
    providers: [
      { provide: APP_GUARD, useExisting: ApiKeyGuard },
      { provide: APP_FILTER, useClass: Filter },
    ],
  }).compile();
  app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
});
afterAll(async () => {
  await app.close();
  await postgres.stop();
  await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

async function ask(method: Method, path = '', body?: object, key: string | undefined = ADMIN) {
  const response = await app.inject({
    method,
    url: `/v1/admin/keys${path}`,
    headers: { authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { payload: body }),
  });
  return { status: response.statusCode, body: response.json() };
}

const create = async (more: object = {}) =>
  keysContract.createdKey.parse((await ask('POST', '', { name: 'n', tier: 'paid', ...more })).body);

describe('/v1/admin/keys', () => {
  it('makes a key and shows it once', async () => {
    const { status, body } = await ask('POST', '', {
      name: 'ci',
      tier: 'paid',
      tenant: 'acme',
      owner: 'build',
      expires_at: '2099-01-01T00:00:00Z',
    });
    expect(status).toBe(201);
    expect(keysContract.createdKey.parse(body)).toMatchObject({
      name: 'ci',
      tier: 'paid',
      tenant: 'acme',
      owner: 'build',
      scopes: [],
      expires_at: '2099-01-01T00:00:00.000Z',
    });
    expect(body.key).toMatch(/^sk-sluice-[\w-]{43}$/);
    const list = await ask('GET');
    expect(JSON.stringify(list.body)).not.toContain(body.key);
    expect(keysContract.keyList.parse(list.body).data[0]).toMatchObject({ id: body.id });
  });

  it.each([
    ['no name', { tier: 'paid' }, 'name'],
    ['no tier', { name: 'a' }, 'tier'],
    ['a tier that is not configured', { name: 'a', tier: 'gold' }, 'tier'],
    ['an unknown scope', { name: 'a', tier: 'paid', scopes: ['root'] }, 'scopes[0]'],
    ['an address for an owner', { name: 'a', tier: 'paid', owner: 'ip:10.0.0.1' }, 'owner'],
    ['a tenant that is no name', { name: 'a', tier: 'paid', tenant: 'a/b' }, 'tenant'],
    ['a time that is none', { name: 'a', tier: 'paid', expires_at: 'soon' }, 'expires_at'],
    [
      'a time in the past',
      { name: 'a', tier: 'paid', expires_at: '2001-01-01T00:00:00Z' },
      'expires_at',
    ],
  ])('refuses %s and names the field', async (_, body, param) => {
    expect(await ask('POST', '', body)).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', param },
    });
  });

  it('pages through the list, newest first', async () => {
    for (let i = 0; i < 5; i++) await create({ name: `page ${i}`, tenant: 'paged' });
    const names: string[] = [];
    let after = '';
    for (;;) {
      const { body } = await ask('GET', `?tenant=paged&limit=2${after}`);
      const page = keysContract.keyList.parse(body);
      names.push(...page.data.map((key) => key.name));
      if (!page.has_more) break;
      after = `&after=${page.data.at(-1)!.id}`;
    }
    expect(names).toEqual(['page 4', 'page 3', 'page 2', 'page 1', 'page 0']);
    expect((await ask('GET', '?limit=0')).body).toMatchObject({ param: 'limit' });
    expect((await ask('GET', '?after=x')).body).toMatchObject({ param: 'after' });
  });

  it('changes the tier of a key, revokes it in two ways, and finds nothing where nothing is', async () => {
    const one = await create();
    expect(await ask('PATCH', `/${one.id}`, { tier: 'free' })).toMatchObject({
      status: 200,
      body: { id: one.id, tier: 'free' },
    });
    expect(await ask('PATCH', `/${one.id}`, { tier: 'gold' })).toMatchObject({
      status: 400,
      body: { param: 'tier' },
    });
    const revoked = await ask('DELETE', `/${one.id}`);
    expect(revoked).toMatchObject({ status: 200, body: { id: one.id } });
    expect(revoked.body.revoked_at).not.toBeNull();
    // Once more changes nothing.
    expect((await ask('POST', `/${one.id}/revoke`)).body).toEqual(revoked.body);
    const absent = '01890000-0000-7000-8000-000000000000';
    for (const path of [`/${absent}`, '/no-id']) {
      expect(await ask('DELETE', path)).toMatchObject({ status: 404, body: { code: 'not_found' } });
      expect((await ask('PATCH', path, { tier: 'free' })).status).toBe(404);
    }
  });

  it('is for the admin scope alone', async () => {
    const { key } = await create();
    const admin = await create({ scopes: ['admin'] });
    for (const [method, path] of [
      ['GET', ''],
      ['POST', ''],
      ['PATCH', '/x'],
      ['DELETE', '/x'],
      ['POST', '/x/revoke'],
    ] as const) {
      expect((await ask(method, path, {}, key)).status).toBe(403);
      const bare = await app.inject({ method, url: `/v1/admin/keys${path}` });
      expect(bare.statusCode).toBe(401);
    }
    expect((await ask('GET', '', undefined, admin.key)).status).toBe(200);
  });
});

describe('npm run keys', () => {
  const run = (...args: string[]) => keysCommand(args, app.get(KeyService, { strict: false }));

  it('creates, lists, changes and revokes, for people and for programs', async () => {
    const text = await run('create', '--tier', 'paid', '--name', 'shell');
    const key = text.split('\n')[0]!;
    expect(key).toMatch(/^sk-sluice-/);
    expect((await ask('GET', '', undefined, key)).status).toBe(403);
    const made = keysContract.createdKey.parse(
      JSON.parse(await run('create', '--tier', 'free', '--name', 'json', '--admin', '--json')),
    );
    expect(made.scopes).toEqual(['admin']);
    expect(await run('list')).toMatch(/shell +paid/);
    expect(await run('tier', made.id, 'paid')).toMatch(/json +paid/);
    expect(await run('revoke', made.id)).toContain('revoked');
    expect((await ask('GET', '', undefined, made.key)).status).toBe(401);
    expect(await run('list', '--tenant', 'nobody')).toBe('No keys.\n');
    const { rows } = await app
      .get(Database, { strict: false })
      .requests.query<{ actor: string }>('SELECT actor FROM audit_log WHERE subject = $1', [
        made.id,
      ]);
    expect(rows).toHaveLength(3);
    expect(rows[0]?.actor).toMatch(/^default\/shell:/);
  });

  it('says what is wrong', async () => {
    await expect(run('create', '--tier', 'gold', '--name', 'x')).rejects.toThrow('"gold"');
    await expect(run('create', '--tier', 'paid')).rejects.toThrow('name');
    await expect(run('revoke', 'x')).rejects.toThrow('no key x');
    await expect(run()).rejects.toThrow('Usage: npm run keys');
    await expect(run('create', '--colour', 'red')).rejects.toThrow('--colour');
  });
});
