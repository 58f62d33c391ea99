import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { SANDBOX_CONFIG, startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await startGateway({
    config: `${SANDBOX_CONFIG}\nusage: { history: { tiers: [paid] } }\n`,
  });
});
afterAll(() => gateway.stop());

async function respond(key: string, body: object): Promise<{ status: number; json: any }> {
  const response = await fetch(`${gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sandbox-small', ...body }),
  });
  return { status: response.status, json: await response.json() };
}

describe('previous_response_id', () => {
  it('continues a conversation of a tier whose history is kept, for its own caller alone', async () => {
    const key = await gateway.createKey('paid');
    const first = await respond(key, { input: 'My name is Ada.' });
    expect(first.status).toBe(200);
    const follow = { input: 'What is my name?', previous_response_id: first.json.id };
    let second = await respond(key, follow);
    for (let i = 0; i < 100 && second.status !== 200; i++) {
      await sleep(20); // The turn is written after the answer has left.
      second = await respond(key, follow);
    }
    expect(second.status).toBe(200);
    // The earlier turn went along: the prompt is longer than the question alone.
    const alone = await respond(key, { input: 'What is my name?' });
    expect(second.json.usage.input_tokens).toBeGreaterThan(alone.json.usage.input_tokens);
    const stranger = await respond(await gateway.createKey('paid'), follow);
    expect(stranger.status).toBe(400);
    expect(stranger.json.error.param).toBe('previous_response_id');
  });

  it('is a clear error where no history is kept', async () => {
    const key = await gateway.createKey('free');
    const answer = await respond(key, { input: 'x', previous_response_id: 'resp_1' });
    expect(answer.status).toBe(400);
    expect(answer.json.error.message).toContain('keeps no history');
  });
});
