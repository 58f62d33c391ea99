import cluster from 'node:cluster';
import { MachineLink, SoleProcess, WorkerLink } from '@sluice/cluster';
import { onAskedToStop, portToOwner } from './process.ports.js';

/** On the command line of a worker, before its slot: also what an operator sees in the list of processes. */
export const WORKER_ARGUMENT = 'worker';

/** This process's line to the owner of the machine, when it is one of several. */
export function machineLink(): MachineLink {
  if (!cluster.isWorker) return new SoleProcess();
  const slot = process.argv[process.argv.indexOf(WORKER_ARGUMENT) + 1];
  return new WorkerLink(portToOwner(), slot === '0');
}

/**
 * Runs `stop` once. A process that serves alone takes a second signal for: now. A worker is told to go by its
 * owner, and may get the same signal from the terminal or the service manager as well.
 */
export function onStop(stop: (why: string) => void): void {
  let stopping = false;
  const once = (why: string): void => {
    if (stopping && !cluster.isWorker) process.exit(1);
    if (stopping) return;
    stopping = true;
    stop(why);
  };
  process.on('SIGTERM', once);
  // Ctrl-C reaches all processes of a terminal: the owner hears it too, and tells its workers.
  process.on('SIGINT', cluster.isWorker ? () => undefined : once);
  if (cluster.isWorker) onAskedToStop(() => once('owner'));
}
