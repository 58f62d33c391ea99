import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A Lua script kept as a file, so that editors, linters and reviewers see Lua. */
export class LuaScript {
  readonly sha1: string;

  private constructor(
    readonly name: string,
    readonly source: string,
  ) {
    this.sha1 = createHash('sha1').update(source).digest('hex');
  }

  /** Reads `directory/file` once, at import. @throws Error when the file is missing or has no contract header. */
  static load(directory: string, file: string): LuaScript {
    const source = readFileSync(join(directory, file), 'utf8');
    if (!source.startsWith('--')) {
      throw new Error(`${file} must open with a contract header (keys, arguments, result)`);
    }
    return new LuaScript(file, source);
  }
}
