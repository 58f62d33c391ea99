import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

let gateway: GatewayProcess;
let paths: Record<string, Record<string, { security?: object[] }>>;

beforeAll(async () => {
  gateway = await startGateway();
  const document = (await (await fetch(`${gateway.url}/docs-json`)).json()) as {
    paths: typeof paths;
  };
  paths = document.paths;
});
afterAll(() => gateway.stop());

/** What Nest mapped, as it told the debug log. Files of pages are not routes of the API. */
function mapped(): string[] {
  return [...gateway.output().matchAll(/Mapped \{(\S+), (\w+)\} route/g)]
    .map(
      ([, path = '', method = '']) =>
        `${method.toLowerCase()} ${path.replaceAll(/:(\w+)/g, '{$1}').replace('/*', '/{id}')}`,
    )
    .filter((route) => !/\.(js|css)$|\{file\}$/.test(route))
    .toSorted();
}

describe('the routes', () => {
  it('are all in the OpenAPI document, and nothing else is', () => {
    const documented = Object.entries(paths)
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`))
      .toSorted();
    expect(documented).toEqual(mapped());
  });

  it('of administrators refuse everybody else', async () => {
    const key = await gateway.createKey('paid');
    const admin = mapped().filter((route) => route.includes('/admin/'));
    expect(admin.length).toBeGreaterThan(20);
    for (const route of admin) {
      const [method = '', path = ''] = route.split(' ');
      const url = gateway.url + path.replaceAll(/\{\w+\}/g, 'x');
      const init = { method: method.toUpperCase() };
      const anonymous = await fetch(url, init);
      const ordinary = await fetch(url, { ...init, headers: { authorization: `Bearer ${key}` } });
      expect([route, anonymous.status, ordinary.status]).toEqual([route, 401, 403]);
      await Promise.all([anonymous.text(), ordinary.text()]);
    }
  });

  it('of administrators that concern every tenant refuse the administrator of one', async () => {
    const key = await gateway.createKey('paid', { tenant: 'acme', scopes: ['admin'] });
    const headers = { authorization: `Bearer ${key}` };
    // These bind every query to the caller's own tenant, as their own tests show.
    const own = /^\w+ \/v1\/admin\/(keys|usage|callers)\b/;
    for (const route of mapped().filter((r) => r.includes('/admin/') && !own.test(r))) {
      const [method = '', path = ''] = route.split(' ');
      const url = gateway.url + path.replaceAll(/\{\w+\}/g, 'x');
      const answer = await fetch(url, { method: method.toUpperCase(), headers });
      expect([route, answer.status]).toEqual([route, 403]);
      await answer.text();
    }
    expect((await fetch(`${gateway.url}/v1/admin/keys`, { headers })).status).toBe(200);
    expect((await fetch(`${gateway.url}/v1/admin/usage`, { headers })).status).toBe(200);
  });

  it('that are open need no key and are never limited', async () => {
    for (const path of ['/health', '/health/live', '/health/ready', '/metrics']) {
      const answers = await Promise.all(
        Array.from({ length: 30 }, () => fetch(gateway.url + path)),
      );
      expect(new Set(answers.map((a) => a.status))).toEqual(new Set([200]));
      expect(answers[0]?.headers.get('x-ratelimit-limit')).toBeNull();
      await Promise.all(answers.map((a) => a.text()));
    }
  });
});
