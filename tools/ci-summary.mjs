// The closing line of .ci/run: node tools/ci-summary.mjs RESULTS.json TEST_STATUS CHECK_STATUS
import { readFileSync } from 'node:fs';

const [file, testStatus, checkStatus] = process.argv.slice(2);
let passed = 0;
let failed = 0;
try {
  const results = JSON.parse(readFileSync(file, 'utf8'));
  passed = results.numPassedTests;
  // A suite that does not even load has no tests to count.
  failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
} catch {
  console.log('The tests left no results.');
}
// Whatever failed without a failed test counts as one.
if (testStatus !== '0' && failed === 0) failed += 1;
if (checkStatus !== '0') failed += 1;
else passed += 1;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
