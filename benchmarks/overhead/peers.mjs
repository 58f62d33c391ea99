// npm run benchmark:peers: installs a peer in a temporary folder and measures it in the same table.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './processes.mjs';

// Two sides more than benchmark:overhead compares would make the run too long.
const SETTINGS = ['pass-through', 'governed miss'];
const PEER = '@portkey-ai/gateway@1.15.2';
const dir = mkdtempSync(join(tmpdir(), 'sluice-peer-'));
let peer;
try {
  const installed = spawnSync(
    'npm',
    ['install', '--prefix', dir, '--no-audit', '--no-fund', PEER],
    {
      stdio: 'inherit',
    },
  );
  if (installed.status !== 0) throw new Error(`could not install ${PEER}`);
  const port = await freePort();
  peer = spawn(
    process.execPath,
    [
      join(dir, 'node_modules/@portkey-ai/gateway/build/start-server.js'),
      `--port=${port}`,
      '--headless',
    ],
    {
      stdio: 'ignore',
      env: { ...process.env, NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' },
    },
  );
  const url = `http://127.0.0.1:${port}`;
  for (let up = false; !up; await sleep(50)) {
    up = await fetch(url).then(
      () => true,
      () => false,
    );
  }
  const run = spawn(
    process.execPath,
    [
      new URL('run.mjs', import.meta.url).pathname,
      '--peer',
      url,
      '--peer-pid',
      String(peer.pid),
      '--name',
      'peers',
      ...SETTINGS.flatMap((name) => ['--only', name]),
      ...process.argv.slice(2),
    ],
    { stdio: 'inherit' },
  );
  process.exitCode = await new Promise((resolve) => run.once('exit', resolve));
} finally {
  peer?.kill();
  rmSync(dir, { recursive: true, force: true });
}
