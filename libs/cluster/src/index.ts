export { ClusterModule } from './cluster.module.js';
export { MachineHost, type HostedService } from './machine.host.js';
export { MachineLink, SoleProcess } from './machine.link.js';
export type { Port, ToOwner, ToWorker } from './messages.js';
export { liveness, ownIdentity, type ProcessIdentity } from './process.identity.js';
export { WorkerLink } from './worker.link.js';
