import { afterAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

let gateway: GatewayProcess;
afterAll(() => gateway.stop());

describe('the worker process', () => {
  it('starts beside a gateway, is healthy, and stops when told', async () => {
    gateway = await startGateway({ env: { WORKER_INLINE: 'false' } });
    const port = await freePort();
    const worker = spawn(process.execPath, ['dist/bundle/worker.js'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        SLUICE_CONFIG: `${gateway.dir}/sluice.yaml`,
        SLUICE_POLICIES: `${gateway.dir}/policies.yaml`,
        SLUICE_DATA_DIR: `${gateway.dir}/data`,
        WORKER_PORT: String(port),
      },
    });
    let output = '';
    worker.stdout.on('data', (data: Buffer) => (output += data.toString()));
    worker.stderr.on('data', (data: Buffer) => (output += data.toString()));
    const exited = new Promise<number | null>((done) => worker.once('exit', done));
    let health: Response | undefined;
    for (let i = 0; i < 600 && health?.status !== 200; i++) {
      if (worker.exitCode !== null) throw new Error(output);
      health = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
      if (health === undefined) await sleep(25);
    }
    expect(await health?.json()).toMatchObject({
      status: 'ok',
      details: { database: { ok: true } },
    });
    const metrics = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(await metrics.text()).toContain('process_cpu_seconds_total');
    worker.kill('SIGTERM');
    expect(await exited).toBe(0);
    // Its leaving must not take the shared database with it.
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
  });
});
