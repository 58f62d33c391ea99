import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  GENEROUS_POLICIES,
  startGateway,
  upstreamConfig,
  type GatewayProcess,
} from '../gateway/gateway-process.js';
import { ScriptedUpstream } from '../upstream/scripted-upstream.js';

let up: ScriptedUpstream;
let receiver: ScriptedUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  [up, receiver] = await Promise.all([ScriptedUpstream.start(), ScriptedUpstream.start()]);
  gateway = await startGateway({
    config: upstreamConfig(
      up.url,
      'cache: { enabled: false }\nrouting: { targets: { direct: { p95: 1ms, success: 0.99 } } }',
    ),
    policies: `${GENEROUS_POLICIES}\nalerts: { webhook: "${receiver.url}/hook", webhookSecret: "secret" }\n`,
  });
}, 90_000);
afterAll(async () => {
  await gateway.stop();
  await Promise.all([up.close(), receiver.close()]);
});

const headers = () => ({
  authorization: `Bearer ${gateway.adminKey}`,
  'content-type': 'application/json',
});
async function until<T>(read: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    await sleep(20);
  }
}

describe('a path that misses its target', () => {
  it('is told in the log, the metrics, the API and to the operator’s webhook, signed', async () => {
    receiver.always({ json: {} });
    up.always({ status: 500, json: { error: { message: 'boom' } } });
    // Each call is one failure: the path is below its success rate.
    for (let i = 0; i < 40; i++) {
      await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: headers(),
        body: JSON.stringify({ model: 'gpt-test', messages: [{ role: 'user', content: `${i}` }] }),
      });
    }
    const told = await until(() => Promise.resolve(receiver.requests[0]));
    expect(told.json).toMatchObject({
      type: 'performance.alert',
      data: { kind: 'target_missed', subject: 'direct' },
    });
    const id = told.headers['webhook-id'] as string;
    const signed = `${id}.${told.headers['webhook-timestamp'] as string}.${told.text}`;
    expect(told.headers['webhook-signature']).toBe(
      `v1,${createHmac('sha256', 'secret').update(signed).digest('base64')}`,
    );

    const listed = await until(async () => {
      const answer = await fetch(`${gateway.url}/v1/admin/alerts`, { headers: headers() });
      const { alerts } = (await answer.json()) as {
        alerts: { id: string; delivered_at: unknown }[];
      };
      return alerts.find((alert) => alert.id === id && alert.delivered_at !== null);
    });
    expect(listed).toMatchObject({ type: 'performance', kind: 'target_missed', resolved_at: null });

    const metrics = await (await fetch(`${gateway.url}/metrics`, { headers: headers() })).text();
    expect(metrics).toMatch(/sluice_performance_alerts_total\{kind="target_missed"\} 1/);
    expect(gateway.output()).toContain('path direct misses its targets');
  });
});
