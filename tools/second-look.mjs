// For .ci/run, on machines that others use too: runs suites that failed once more, alone, and says which then passed.
// A suite named here is unsteady and to be mended; one that fails again has failed.
// node tools/second-look.mjs RESULTS.json
import './node-version.mjs';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ensureSystem } from './ensure-system.mjs';

/** More than this is no coincidence. */
const MOST_SUITES = 5;
const root = fileURLToPath(new URL('../', import.meta.url));
const [file] = process.argv.slice(2);
const first = JSON.parse(readFileSync(file, 'utf8'));
const failed = first.testResults.filter((suite) => suite.status === 'failed').map((s) => s.name);
if (failed.length === 0 || failed.length > MOST_SUITES) process.exit(1);

const again = `${file}.again`;
const { status } = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
    '--maxWorkers=1',
    '--json',
    `--outputFile=${again}`,
    '--runTestsByPath',
    ...failed,
  ],
  {
    cwd: root,
    env: { ...process.env, ...ensureSystem(['redis', 'chromium']) },
    stdio: ['inherit', 'ignore', 'inherit'],
  },
);
const second = JSON.parse(readFileSync(again, 'utf8'));
const steady = new Set(second.testResults.filter((s) => s.status === 'passed').map((s) => s.name));
for (const name of failed) {
  const verdict = steady.has(name) ? 'UNSTEADY, passed on a second look' : 'failed twice';
  console.log(`${verdict}: ${name.slice(root.length)}`);
}
const recovered = first.testResults.filter((suite) => steady.has(suite.name));
const count = (suites, wanted) =>
  suites.flatMap((suite) => suite.assertionResults).filter((test) => test.status === wanted).length;
const passedNow = count(
  second.testResults.filter((suite) => steady.has(suite.name)),
  'passed',
);
first.numPassedTests += passedNow - count(recovered, 'passed');
first.numFailedTests -= count(recovered, 'failed');
first.numRuntimeErrorTestSuites = second.numRuntimeErrorTestSuites;
writeFileSync(file, JSON.stringify(first));
process.exit(status ?? 1);
