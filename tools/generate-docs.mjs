// npm run docs: writes the pages that are drawn from the code. With --check: fails when one is out of date.
import './node-version.mjs';
import { readFile, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { build } from './build.mjs';
import { configurationPage } from './docs/configuration-page.mjs';
import { environmentExample } from './docs/environment-example.mjs';
import { errorsPage } from './docs/errors-page.mjs';

const root = new URL('../', import.meta.url);
await build();
const config = await import(new URL('dist/libs/config/src/index.js', root).href);
const kernel = await import(new URL('dist/libs/kernel/src/index.js', root).href);

const pages = {
  'docs/configuration.md': configurationPage(config),
  'docs/errors.md': errorsPage(kernel),
  '.env.example': environmentExample(config),
};

const stale = [];
for (const [name, text] of Object.entries(pages)) {
  const file = new URL(name, root);
  const options = await resolveConfig(file);
  const wanted = name.endsWith('.md')
    ? await format(text, { ...options, parser: 'markdown' })
    : text;
  const present = await readFile(file, 'utf8').catch(() => '');
  if (wanted === present) continue;
  stale.push(name);
  if (!process.argv.includes('--check')) await writeFile(file, wanted);
}
if (process.argv.includes('--check') && stale.length > 0) {
  process.stderr.write(`Out of date: ${stale.join(', ')}. Run "npm run docs" and commit.\n`);
  process.exitCode = 1;
} else {
  console.log(stale.length === 0 ? 'Up to date.' : `Written: ${stale.join(', ')}`);
}
