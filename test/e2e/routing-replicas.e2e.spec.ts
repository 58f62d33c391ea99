import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTestPostgres, type TestPostgres } from '@sluice/database';
import { startGateway, upstreamConfig, type GatewayProcess } from '../gateway/gateway-process.js';
import { ScriptedUpstream } from '../upstream/scripted-upstream.js';

let up: ScriptedUpstream;
let server: TestPostgres;
let replicas: GatewayProcess[];
let start: () => Promise<GatewayProcess>;

beforeAll(async () => {
  [up, server] = await Promise.all([ScriptedUpstream.start(), startTestPostgres()]);
  const { url } = await server.createDatabase();
  start = () =>
    startGateway({
      config: upstreamConfig(up.url, 'cache: { enabled: false }'),
      env: { DATABASE_URL: url, SLUICE_KEY_PEPPER: 'p'.repeat(32) },
    });
  replicas = [await start()];
  replicas.push(await start());
}, 120_000);
afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.stop()));
  await Promise.all([up.close(), server.stop()]);
});
afterEach(() => up.reset());

const admin = ({ adminKey }: GatewayProcess) => ({
  authorization: `Bearer ${adminKey}`,
  'content-type': 'application/json',
});
async function setFlag(replica: GatewayProcess, name: string, enabled: boolean): Promise<void> {
  const answer = await fetch(`${replica.url}/v1/admin/flags`, {
    method: 'PUT',
    headers: admin(replica),
    body: JSON.stringify({ name, enabled }),
  });
  expect(answer.status).toBe(200);
}
async function flagOf(replica: GatewayProcess, name: string): Promise<unknown> {
  const answer = await fetch(`${replica.url}/v1/admin/flags`, { headers: admin(replica) });
  return ((await answer.json()) as { flags: Record<string, boolean> }).flags[name];
}
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(20);
}
async function ask(replica: GatewayProcess): Promise<void> {
  const answer = await fetch(`${replica.url}/v1/chat/completions`, {
    method: 'POST',
    headers: admin(replica),
    body: JSON.stringify({ model: 'gpt-test', messages: [{ role: 'user', content: 'Hi' }] }),
  });
  expect(answer.status).toBe(200);
  await answer.text();
}
describe('a flag that is set on one replica', () => {
  it('changes what the other one does, and is still set after a restart', async () => {
    const [a, b] = replicas as [GatewayProcess, GatewayProcess];
    expect(await flagOf(b, 'connection_pooling')).toBe(true);
    await ask(b);
    expect(up.requests[0]!.headers.connection).toBe('keep-alive');

    await setFlag(a, 'connection_pooling', false);
    await until(async () => (await flagOf(b, 'connection_pooling')) === false);
    await ask(b);
    expect(up.requests[1]!.headers.connection).toBe('close');

    await b.stop();
    replicas[1] = await start();
    await ask(replicas[1]);
    expect(up.requests[2]!.headers.connection).toBe('close');
  });
});

describe('what one replica saw and heard', () => {
  const callsOf = async (replica: GatewayProcess): Promise<number> => {
    const answer = await fetch(`${replica.url}/v1/admin/performance`, { headers: admin(replica) });
    return ((await answer.json()) as { paths: { direct: { calls: number } } }).paths.direct.calls;
  };

  it('the other one knows, and a restart does not forget', async () => {
    const [a, b] = replicas as [GatewayProcess, GatewayProcess];
    const before = await callsOf(b);
    for (let i = 0; i < 5; i++) await ask(a);
    await until(async () => (await callsOf(b)) >= before + 5);
    // Stopped before its next exchange would come round.
    await ask(b);
    await b.stop();
    replicas[1] = await start();
    expect(await callsOf(replicas[1])).toBeGreaterThanOrEqual(before + 6);
  });

  it('feedback may go to the other one, once', async () => {
    const [a, b] = replicas as [GatewayProcess, GatewayProcess];
    const answer = await fetch(`${a.url}/v1/chat/completions`, {
      method: 'POST',
      headers: admin(a),
      body: JSON.stringify({ model: 'auto', messages: [{ role: 'user', content: 'What is it?' }] }),
    });
    await answer.text();
    const judge = async (replica: GatewayProcess) =>
      (
        await fetch(`${replica.url}/v1/feedback`, {
          method: 'POST',
          headers: admin(replica),
          body: JSON.stringify({
            request_id: answer.headers.get('x-request-id'),
            rating: 'down',
          }),
        })
      ).status;
    await until(async () => (await judge(b)) === 200);
    expect(await judge(a)).toBe(409);
  });
});
