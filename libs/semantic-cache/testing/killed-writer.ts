import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Each round stores the same keys anew, long enough that a value spans many pages. */
const SCRIPT = `
const { Worker } = require('node:worker_threads');
const [file, path, kind] = process.argv.slice(1);
const worker = new Worker(file, { workerData: { path, role: 'writer' } });
let round = 0;
const send = (method, args) => worker.postMessage({ id: round, method, args });
worker.on('message', ({ error, notice }) => {
  if (error) throw new Error(error);
  if (notice) return;
  process.stdout.write(round + '\\n');
  round++;
  const value = String(round).padStart(8, '0').repeat(2000);
  if (kind === 'answers') {
    const rows = Array.from({ length: 20 }, (_, i) => ({ key: 'k' + i, value, expires: 1e15 }));
    send('apply', { rows, drops: [], maxBytes: 1e9, now: 0 });
  } else {
    const message = new Float32Array(8).fill(0);
    message[0] = 1;
    const points = Array.from({ length: 20 }, (_, i) => ({
      id: 'p' + i, scope: 's', fingerprint: 'f', key: 'k', message, text: value, answer: value,
      storedAt: 0, expiresAt: 1e15,
    }));
    send('upsert', { points });
  }
});
send('open', { name: 'space', dimension: 8 });
`;

/** Writes to the file from a process of its own until `rounds` are committed, then ends it with SIGKILL amid the next. */
export async function writeUntilKilled(
  kind: 'answers' | 'vectors',
  path: string,
  rounds: number,
): Promise<void> {
  const worker = kind === 'answers' ? 'sqlite.worker.ts' : 'vector.worker.ts';
  const file = fileURLToPath(new URL(`../src/stores/${worker}`, import.meta.url));
  const child = spawn(process.execPath, ['-e', SCRIPT, '--', file, path, kind], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let seen = '';
  for await (const piece of child.stdout) {
    seen += String(piece);
    if (seen.split('\n').length - 1 > rounds) child.kill('SIGKILL');
  }
  await ended;
  if (child.signalCode !== 'SIGKILL') throw new Error(`the writer ended by itself: ${seen}`);
}
