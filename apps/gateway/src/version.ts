import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

/** From the project's package.json, which lies above both the sources and the build. */
export const VERSION = readVersion();

function readVersion(): string {
  const path = findPackageJSON('..', import.meta.url);
  if (path === undefined) return '0.0.0';
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
