import { readFile, readlink } from 'node:fs/promises';

/** Names one process for as long as any file may remember it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in the kernel's ticks: tells a process from a later one with the same pid. */
  readonly start: string;
  /** Boot and pid namespace: only within one of them does a pid mean anything. */
  readonly realm: string;
}

/** Identity of this process. Where there is no `/proc`, the realm is empty and only heartbeats count. */
export async function ownIdentity(): Promise<ProcessIdentity> {
  const [start, realm] = await Promise.all([startTicks(process.pid), ownRealm()]);
  const fallback = String(Math.round(Date.now() - process.uptime() * 1000));
  return { pid: process.pid, start: start ?? fallback, realm };
}

/** Whether the process surely runs, surely does not, or cannot be judged from here. */
export async function liveness(
  other: ProcessIdentity,
  self: ProcessIdentity,
): Promise<'alive' | 'dead' | 'unknown'> {
  if (other.realm === '' || other.realm !== self.realm) return 'unknown';
  return (await startTicks(other.pid)) === other.start ? 'alive' : 'dead';
}

async function startTicks(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The command in parentheses may hold spaces; field 22 of the whole line is field 19 behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has exited and only waits for its parent to notice.
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

async function ownRealm(): Promise<string> {
  try {
    const [boot, namespace] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readlink('/proc/self/ns/pid'),
    ]);
    return `${boot.trim()} ${namespace}`;
  } catch {
    return '';
  }
}
