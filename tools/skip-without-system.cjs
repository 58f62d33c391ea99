// Jest's --filter: leaves out the suites whose servers this machine lacks, and names them.
const { readFile } = require('node:fs/promises');

const MARKS = { redis: /test-redis|redis-server/, chromium: /playwright-core|chromium/ };

module.exports = async (paths) => {
  const missing = (process.env.SLUICE_TEST_SKIP ?? '').split(',').filter((name) => name in MARKS);
  const kept = await Promise.all(
    paths.map(async (path) => {
      if (missing.length === 0) return true;
      const text = await readFile(path, 'utf8');
      const reason = missing.find((name) => MARKS[name].test(text));
      if (reason !== undefined) process.stderr.write(`SKIPPED for want of ${reason}: ${path}\n`);
      return reason === undefined;
    }),
  );
  return { filtered: paths.filter((_, i) => kept[i]) };
};
