import { setImmediate as turn } from 'node:timers/promises';
import { MachineHost, type HostedService } from '../src/machine.host.js';
import type { Port } from '../src/messages.js';
import { WorkerLink } from '../src/worker.link.js';

/** An owner with workers in one process; what passes between them is cloned, as between real processes. */
export class TestMachine {
  readonly host: MachineHost;
  #workers = 0;

  constructor(services: Readonly<Record<string, HostedService>>) {
    this.host = new MachineHost(services);
  }

  worker(): { readonly link: WorkerLink; readonly die: () => void; readonly port: OwnersPort } {
    const [toWorker, toOwner] = [new Wire(), new Wire()];
    const port: OwnersPort = toWorker.portWith(toOwner);
    const die = this.host.attach(port);
    const link = new WorkerLink(toOwner.portWith(toWorker), this.#workers++ === 0);
    return { link, die, port };
  }
}

export type OwnersPort = Parameters<MachineHost['attach']>[0];

/** One direction: delivers a turn later, in order. */
class Wire {
  #listener: ((message: never) => void) | undefined;

  /** The end that sends here and hears what `back` carries. */
  portWith<In, Out>(back: Wire): Port<In, Out> {
    return {
      send: (message) => {
        const copy = structuredClone(message) as never;
        void turn().then(() => this.#listener?.(copy));
      },
      onMessage: (listener) => {
        back.#listener = listener;
      },
    };
  }
}
