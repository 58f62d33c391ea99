import type { Worker } from 'node:cluster';
import type { Port, ToOwner, ToWorker } from '@sluice/cluster';

/** Beside the line's own messages: the owner's word that the worker shall finish and go. */
interface Envelope<T> {
  readonly line?: T;
  readonly stop?: true;
}

/** The owner's end of the channel to a worker. What is sent to a worker that has just ended is dropped. */
export function portToWorker(worker: Worker): Port<ToOwner, ToWorker> {
  const send = (message: Envelope<ToWorker>): void => {
    if (worker.isConnected()) worker.send(message, () => undefined);
  };
  return {
    send: (line) => send({ line }),
    onMessage: (listener) => {
      worker.on('message', (message: Envelope<ToOwner>) => {
        if (message.line !== undefined) listener(message.line);
      });
    },
  };
}

/** Asks a worker to finish its calls and go. */
export function askToStop(worker: Worker): void {
  const message: Envelope<never> = { stop: true };
  if (worker.isConnected()) worker.send(message, () => undefined);
}

/** The worker's end. Without the owner this process ends anyway, so nobody waits for what cannot be sent. */
export function portToOwner(): Port<ToWorker, ToOwner> {
  return {
    send: (line) => {
      if (process.connected) process.send?.({ line }, undefined, undefined, () => undefined);
    },
    onMessage: (listener) => {
      process.on('message', (message: Envelope<ToWorker>) => {
        if (message.line !== undefined) listener(message.line);
      });
    },
  };
}

export function onAskedToStop(listener: () => void): void {
  process.on('message', (message: Envelope<ToWorker>) => {
    if (message.stop === true) listener();
  });
}
