// npm test: builds, makes sure of redis-server and Chromium, runs Jest.
// node tools/test.mjs [unit|db|e2e|browser …] [-- Jest's own options]
import './node-version.mjs';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { ensureSystem } from './ensure-system.mjs';

const KINDS = ['unit', 'db', 'e2e', 'browser'];
const root = fileURLToPath(new URL('../', import.meta.url));
const separator = process.argv.indexOf('--');
const own = process.argv.slice(2, separator < 0 ? undefined : separator);
const options = separator < 0 ? [] : process.argv.slice(separator + 1);
const unknown = own.filter((kind) => !KINDS.includes(kind));
if (unknown.length > 0) {
  process.stderr.write(`Unknown kind of test: ${unknown.join(', ')}; known: ${KINDS.join(', ')}\n`);
  process.exit(1);
}
const kinds = own.length === 0 ? KINDS : own;
const needs = [
  ...(kinds.some((kind) => kind !== 'unit') ? ['redis'] : []),
  ...(kinds.includes('browser') ? ['chromium'] : []),
];
const environment = { ...process.env, ...ensureSystem(needs) };
// The end-to-end tests start the gateway as operators do: from dist/.
await build();
// Jest does not make the folder of its results.
mkdirSync(`${root}node_modules/.cache`, { recursive: true });
const { status } = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
    '--selectProjects',
    ...kinds,
    // Two suites at a time: more would only wait for one another's servers on a small machine.
    '--maxWorkers=2',
    // Modules of the vm are never given back: a worker that has grown is replaced.
    '--workerIdleMemoryLimit=768MB',
    '--passWithNoTests',
    '--filter=./tools/skip-without-system.cjs',
    '--json',
    '--outputFile=node_modules/.cache/jest-results.json',
    ...options,
  ],
  { cwd: root, env: environment, stdio: ['inherit', 'ignore', 'inherit'] },
);
process.exit(status ?? 1);
