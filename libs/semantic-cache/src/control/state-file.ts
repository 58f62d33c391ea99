import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A small JSON file of the data directory, replaced as a whole. */
export class StateFile {
  readonly #path: string;

  constructor(dataDir: string, name: string) {
    this.#path = join(dataDir, name);
  }

  /** Undefined when there is none, or none that can be read. */
  async read(): Promise<unknown> {
    try {
      return JSON.parse(await readFile(this.#path, 'utf8')) as unknown;
    } catch {
      return undefined;
    }
  }

  async write(state: unknown): Promise<void> {
    await mkdir(join(this.#path, '..'), { recursive: true });
    const temporary = `${this.#path}.${process.pid}.tmp`;
    await writeFile(temporary, JSON.stringify(state));
    await rename(temporary, this.#path);
  }
}
