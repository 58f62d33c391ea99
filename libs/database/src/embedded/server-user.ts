import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EmbeddedPostgresError } from './embedded.error.js';

/** `nobody` on every Linux and in every container image, also without an entry in /etc/passwd. */
const UNPRIVILEGED = 65534;

/** Who the server runs as. Undefined ids mean: as this process does. */
export interface ServerUser {
  readonly uid?: number;
  readonly gid?: number;
}

/** Postgres refuses to run as root: then the cluster's owner runs it, or `nobody` for a new cluster. */
export async function serverUser(clusterDir: string): Promise<ServerUser> {
  const own = process.getuid?.();
  const owner = await stat(clusterDir).catch(() => undefined);
  if (own === 0) {
    if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
    return { uid: UNPRIVILEGED, gid: UNPRIVILEGED };
  }
  if (owner !== undefined && own !== undefined && owner.uid !== own) {
    throw new EmbeddedPostgresError(
      `The database in ${clusterDir} belongs to user ${owner.uid}, but this process is user ${own}. ` +
        `Start as that user, or give it away: chown -R ${own} ${clusterDir}`,
    );
  }
  return {};
}

/** Whether `user` may enter the directory `path` and each of its parents, going by their mode bits. */
export async function isReachable(path: string, user: ServerUser): Promise<boolean> {
  if (user.uid === undefined) return true;
  for (let at = path; ; at = dirname(at)) {
    const entry = await stat(at).catch(() => undefined);
    if (entry === undefined) return false;
    const shift = entry.uid === user.uid ? 6 : entry.gid === user.gid ? 3 : 0;
    if (((entry.mode >> shift) & 0o1) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
