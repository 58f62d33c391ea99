// npm run start:dev: builds on every change and starts the app again. The YAML files reload by themselves.
import './node-version.mjs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';

const QUIET_MS = 200;
const app = process.argv[2] ?? 'gateway';
const root = fileURLToPath(new URL('../', import.meta.url));
let child;
let timer;
let turn = Promise.resolve();

async function restart() {
  try {
    const { written, removed } = await build();
    if (written + removed === 0 && child !== undefined) return;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return;
  }
  await stop();
  child = spawn(
    process.execPath,
    ['--enable-source-maps', '--env-file-if-exists=.env', `dist/apps/${app}/src/main.js`],
    { stdio: 'inherit', cwd: root },
  );
}

async function stop() {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

for (const folder of ['libs', 'apps']) {
  watch(`${root}${folder}`, { recursive: true }, () => {
    clearTimeout(timer);
    timer = setTimeout(() => (turn = turn.then(restart)), QUIET_MS);
  });
}
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => void turn.then(stop).then(() => process.exit(0)));
}
turn = turn.then(restart);
