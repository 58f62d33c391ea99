/** A thread that answers, refuses, tells, sleeps and dies as it is told. */
import { parentPort, workerData } from 'node:worker_threads';

parentPort?.on('message', ({ id, method, args }: { id: number; method: string; args: unknown }) => {
  const reply = (message: object) => parentPort?.postMessage({ id, ...message });
  if (method === 'echo') reply({ value: { args, data: workerData as unknown } });
  if (method === 'refuse') reply({ error: 'no', code: 'E_NO' });
  if (method === 'tell') {
    parentPort?.postMessage({ notice: { told: args } });
    reply({});
  }
  if (method === 'late') setTimeout(() => reply({ value: 'late' }), Number(args));
  if (method === 'stray') {
    parentPort?.postMessage({ id: 999, value: 'nobody asked' });
    reply({ value: 'asked' });
  }
  if (method === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (method === 'exit') process.exit(3);
  if (method === 'close') reply({});
  if (method === 'throw') throw new Error('the thread fell');
});
