import { createConnection, createServer, type Server } from 'node:net';

/**
 * A socket that listens as long as this process lives, for those who cannot see it by its number: in another
 * container on the same machine. Undefined where there can be none, as when the path is too long.
 */
export function showLife(path: string): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((visitor) => visitor.destroy());
    server.once('error', () => {
      resolve(undefined);
    });
    // Not the cluster's, which would outlive this worker.
    server.listen({ path, exclusive: true }, () => {
      resolve(server.unref());
    });
  });
}

/** Whether the process that showed its life here has died: then the kernel refuses for it. One that is stopped still lives. */
export function lifeAt(path: string): Promise<'alive' | 'dead' | 'unknown'> {
  return new Promise((resolve) => {
    const visit = createConnection({ path });
    visit.once('connect', () => {
      visit.destroy();
      resolve('alive');
    });
    visit.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ECONNREFUSED' ? 'dead' : 'unknown');
    });
  });
}
