// npm run check: everything a machine can say about the code without running it.
import './node-version.mjs';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
/** dependency-cruiser reports success over nothing when it cannot read TypeScript. */
const LEAST_MODULES = 150;

const STEPS = [
  // The long ones first: two lanes end together.
  {
    name: 'lint',
    command: ['eslint', '.', '--cache', '--cache-location=node_modules/.cache/eslint/'],
  },
  { name: 'types', command: ['tsc', '-p', '.'] },
  {
    name: 'boundaries',
    command: ['depcruise', 'libs', 'apps', '--config', '.dependency-cruiser.cjs'],
    verify: (output) => {
      const seen = Number(/\((\d+) modules/.exec(output)?.[1] ?? 0);
      return seen >= LEAST_MODULES ? '' : `only ${seen} modules seen, expected ${LEAST_MODULES}`;
    },
  },
  { name: 'dead code', command: ['knip', '--no-progress'] },
  { name: 'format', command: ['prettier', '--check', '--cache', '--log-level=warn', '.'] },
  { name: 'generated docs', command: ['node', 'tools/generate-docs.mjs', '--check'] },
];

function run({ name, command: [program, ...args], verify }) {
  return new Promise((resolve) => {
    const start = performance.now();
    const path = program === 'node' ? process.execPath : `${root}node_modules/.bin/${program}`;
    const child = spawn(path, args, { cwd: root, env: { ...process.env, FORCE_COLOR: '0' } });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', (error) => (output += String(error)));
    child.on('close', (code) => {
      const complaint = code === 0 ? (verify?.(output) ?? '') : '';
      const passed = code === 0 && complaint === '';
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      console.log(`${passed ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
      resolve({ passed, text: passed ? '' : `\n--- ${name}\n${output.trimEnd()}\n${complaint}` });
    });
  });
}

const queue = [...STEPS];
const results = [];
const lane = async () => {
  for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
    results.push(await run(step));
  }
};
await Promise.all([lane(), lane()]);
for (const { text } of results) if (text !== '') console.log(text);
const failed = results.filter(({ passed }) => !passed).length;
console.log(`\ncheck: ${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
