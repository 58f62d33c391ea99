// npm start: builds what is not built, then becomes the gateway (or the app or module named on the command line).
import './node-version.mjs';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { ENVIRONMENT, NODE_ARGUMENTS } from './process-settings.mjs';

const [app = 'gateway', ...rest] = process.argv.slice(2);
const root = fileURLToPath(new URL('../', import.meta.url));
const { written, total } = await build();
if (written > 0) process.stderr.write(`Built ${written} of ${total} files.\n`);

const args = [
  ...NODE_ARGUMENTS,
  ...(existsSync(`${root}.env`) ? ['--env-file=.env'] : []),
  `${root}dist/${app.includes('/') ? app : `bundle/${app}`}.js`,
  ...rest,
];
const env = { ...ENVIRONMENT, ...process.env };
process.chdir(root);
if (process.platform === 'win32' || process.execve === undefined) {
  const child = spawn(process.execPath, args, { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
} else {
  // In place of this process: signals reach the gateway, and the compiler's memory is given back.
  process.removeAllListeners('warning');
  process.execve(process.execPath, [process.execPath, ...args], env);
}
