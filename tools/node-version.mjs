// Imported first by every tool, so it must run on old versions too.
import { readFileSync } from 'node:fs';

const NEEDED = 24;
const pinned = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  .optionalDependencies.node;

if (Number(process.versions.node.split('.')[0]) < NEEDED) {
  process.stderr.write(
    [
      `Sluice needs Node.js ${NEEDED}, and this is ${process.versions.node}.`,
      `The package "node" ${pinned} brings it along, but node_modules/.bin/node is missing or does not run here.`,
      'Run "npm ci" without --omit=optional and without --ignore-scripts, or install Node.js 24.',
      '',
    ].join('\n'),
  );
  process.exit(1);
}
