import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startGateway, upstreamConfig, type GatewayProcess } from '../gateway/gateway-process.js';
import { ScriptedUpstream } from '../upstream/scripted-upstream.js';

let upstream: ScriptedUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  gateway = await startGateway({ config: upstreamConfig(upstream.url) });
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
function ask(path: string, body: object, key: string): Promise<Response> {
  return fetch(`${gateway.url}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}
interface Group {
  readonly model: string;
  readonly calls: number;
  readonly estimated_calls: number;
  readonly cost_usd: number;
}
async function usage(): Promise<readonly Group[]> {
  const response = await fetch(`${gateway.url}/v1/admin/usage?group_by=model`, {
    headers: { authorization: `Bearer ${gateway.adminKey}` },
  });
  return ((await response.json()) as { readonly data: readonly Group[] }).data;
}

it('calls that a killed gateway had under way are billed by estimate when it starts again, once', async () => {
  const key = await gateway.createKey('paid');
  upstream.always({ hang: 'before' });
  const cut = [
    ask(
      'chat/completions',
      { model: 'gpt-test', messages: [{ role: 'user', content: 'hi' }] },
      key,
    ),
    ask('embeddings', { model: 'embed-test', input: 'hello '.repeat(100) }, key),
  ].map((call) => expect(call).rejects.toThrow());
  await until(() => upstream.open === 2);
  await gateway.kill();
  await Promise.all(cut);

  // A second kill finds the notes shipped, or adopted and not yet shipped: that makes no difference.
  for (const last of [false, true]) {
    gateway = await startGateway({ config: upstreamConfig(upstream.url), dir: gateway.dir });
    await until(async () => (await usage()).length === 2);
    if (!last) await gateway.kill();
  }
  const groups = await usage();
  expect(
    groups.map(({ model, calls, estimated_calls }) => [model, calls, estimated_calls]),
  ).toEqual([
    ['embed-test', 1, 1],
    ['gpt-test', 1, 1],
  ]);
  for (const { cost_usd: cost } of groups) expect(cost).toBeGreaterThan(0);
}, 120_000);
