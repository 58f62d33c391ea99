// The tests start real servers: this finds redis-server and a Chromium, or installs them where it may.
import './node-version.mjs';
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const NEEDS = [
  { name: 'redis', programs: ['redis-server'], package: 'redis-server', variable: undefined },
  {
    name: 'chromium',
    programs: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
    package: 'chromium',
    variable: 'CHROMIUM_PATH',
  },
];

/** The first of `programs` on the path. */
function find({ programs, variable }) {
  const named = variable === undefined ? undefined : process.env[variable];
  const folders = (process.env.PATH ?? '').split(delimiter);
  const paths = programs.flatMap((program) => folders.map((folder) => join(folder, program)));
  return (named === undefined ? paths : [named]).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Looks for what the named suites need and installs what is missing.
 * @returns the environment for the test run; SLUICE_TEST_SKIP lists what is still missing
 */
export function ensureSystem(wanted = NEEDS.map(({ name }) => name)) {
  const needs = NEEDS.filter(({ name }) => wanted.includes(name));
  let missing = needs.filter((need) => find(need) === undefined);
  if (missing.length > 0 && mayInstall()) {
    install(missing.map((need) => need.package));
    missing = missing.filter((need) => find(need) === undefined);
  }
  if (missing.length > 0) {
    const names = missing.map(({ programs }) => programs[0]).join(', ');
    const packages = missing.map((need) => need.package).join(' ');
    process.stderr.write(
      `Not found and not installable here: ${names}. The suites that need them are skipped.\n` +
        `To run them: apt-get install ${packages}\n`,
    );
    if (process.env.CI === 'true') {
      process.stderr.write('CI=true: a run that skips suites counts as failed.\n');
      process.exit(1);
    }
  }
  const environment = { SLUICE_TEST_SKIP: missing.map(({ name }) => name).join(',') };
  for (const need of needs) {
    const path = find(need);
    if (need.variable !== undefined && path !== undefined) environment[need.variable] = path;
  }
  return environment;
}

function mayInstall() {
  return process.getuid?.() === 0 && find({ programs: ['apt-get'] }) !== undefined;
}

function install(packages) {
  process.stderr.write(`Installing from the system's packages: ${packages.join(', ')}\n`);
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  spawnSync('apt-get', ['update', '-qq'], options);
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], options);
}

if (process.argv[1]?.endsWith('ensure-system.mjs')) {
  const { SLUICE_TEST_SKIP: skipped, CHROMIUM_PATH: chromium } = ensureSystem();
  console.log(skipped === '' ? 'Everything is there.' : `Missing: ${skipped}`);
  if (chromium !== undefined) console.log(`Chromium: ${chromium}`);
}
