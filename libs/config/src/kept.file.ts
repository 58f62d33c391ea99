import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ifCode } from '@sluice/kernel';

/**
 * What a file of the data directory holds, for its owner's eyes alone; made on first use. Processes that start at once all
 * get the first one's: the file has its name only when it is whole.
 */
export async function keptFile(file: string, make: () => string | Buffer): Promise<Buffer> {
  const kept = await readFile(file).catch(ifCode('ENOENT'));
  if (kept !== undefined) return kept;
  await mkdir(dirname(file), { recursive: true });
  // Two containers on one volume may both be process 7.
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(draft, make(), { flag: 'wx', mode: 0o600 });
    // Linked and not renamed, which would replace the first one's.
    await link(draft, file).catch(ifCode('EEXIST'));
  } finally {
    await rm(draft, { force: true });
  }
  return readFile(file);
}
