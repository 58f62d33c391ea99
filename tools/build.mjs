// Compiles libs/ and apps/ into dist/: what changed since the last time, and nothing else. Then joins each app into few files.
import './node-version.mjs';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const SOURCES = ['libs', 'apps'];
const APPS = ['gateway', 'worker'];
const COUNTING = 'libs/model-catalog/src/byte-pair.ts';
const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', 'fixtures']);
const SKIPPED_FILES = /(\.spec\.ts|\.d\.ts|\.md|(^|\/)tsconfig[^/]*\.json)$/;
const LIB_IMPORT = /(\bfrom\s*|\bimport\s*\(\s*|\bimport\s*)(["'])@sluice\/([a-z-]+)\2/g;

/** Brings dist/ up to date. Returns how many files were written and how many were taken away. */
export async function build(root = ROOT) {
  const out = join(root, 'dist');
  const manifestFile = join(out, '.build.json');
  const options = await compilerOptions(root);
  const lockText = await readFile(join(root, 'package-lock.json'), 'utf8');
  const lock = JSON.parse(lockText);
  const recipe = await recipeOf(lock, options);
  const manifest = await readManifest(manifestFile, recipe);
  const known = manifest.files;
  const files = (await Promise.all(SOURCES.map((name) => list(join(root, name), root)))).flat();
  const next = {};
  let swc;
  let written = 0;
  await inBatches(files, 32, async (file) => {
    const { mtimeMs, size } = await stat(join(root, file));
    const stamp = `${mtimeMs}:${size}`;
    if (known[file]?.stamp === stamp) {
      next[file] = known[file];
      return;
    }
    const bytes = await readFile(join(root, file));
    const hash = createHash('sha256').update(bytes).digest('base64url');
    next[file] = { stamp, hash };
    if (known[file]?.hash === hash) return;
    const target = join(out, outputOf(file));
    await mkdir(dirname(target), { recursive: true });
    if (file.endsWith('.ts')) {
      swc ??= import('@swc/core');
      await compile(await swc, { source: bytes.toString(), file, target, options, root });
    } else {
      await copyFile(join(root, file), target);
    }
    written++;
  });
  const gone = Object.keys(known).filter((file) => next[file] === undefined);
  for (const file of gone) {
    const target = join(out, outputOf(file));
    await Promise.all([rm(target, { force: true }), rm(`${target}.map`, { force: true })]);
  }
  const vocabulary = vocabularyRecipe(lock, next[COUNTING]?.hash);
  if (vocabulary !== undefined && vocabulary !== manifest.vocabulary) await writeVocabulary(out);
  const packages = createHash('sha256').update(lockText).digest('base64url');
  const changed =
    written + gone.length > 0 ||
    vocabulary !== manifest.vocabulary ||
    packages !== manifest.packages;
  if (changed) {
    const bundled = await bundle(root, APPS, manifest.bundled ?? []);
    await writeFile(
      manifestFile,
      JSON.stringify({ recipe, vocabulary, packages, bundled, files: next }),
    );
  }
  return { written, removed: gone.length, total: files.length };
}

async function compile({ transform }, { source, file, target, options, root }) {
  const { code, map } = await transform(source, {
    ...options,
    swcrc: false,
    filename: file,
    sourceMaps: true,
    sourceFileName: relative(dirname(target), join(root, file)),
  });
  const libs = join(root, 'dist', 'libs');
  const linked = code.replace(LIB_IMPORT, (_match, before, quote, lib) => {
    const path = relative(dirname(target), join(libs, lib, 'src/index.js'))
      .split(sep)
      .join('/');
    return `${before}${quote}${path.startsWith('.') ? path : `./${path}`}${quote}`;
  });
  const mapName = `${target.slice(target.lastIndexOf(sep) + 1)}.map`;
  await writeFile(`${target}.map`, map);
  await writeFile(target, `${linked}\n//# sourceMappingURL=${mapName}\n`);
}

function outputOf(file) {
  return file.replace(/\.ts$/, '.js');
}

async function compilerOptions(root) {
  const { $schema: _, ...options } = JSON.parse(await readFile(join(root, '.swcrc'), 'utf8'));
  return options;
}

/** Another compiler, another setting, another build script: everything is built anew. */
async function recipeOf(lock, options) {
  const compiler = lock.packages['node_modules/@swc/core']?.version;
  const scripts = await Promise.all(
    ['build.mjs', 'bundle.mjs'].map((name) => readFile(new URL(name, import.meta.url), 'utf8')),
  );
  return createHash('sha256')
    .update(JSON.stringify([options, compiler, scripts]))
    .digest('base64url');
}

/** Changes with the code that lays out the table and with the vocabulary's package. */
function vocabularyRecipe(lock, counting) {
  if (counting === undefined) return undefined;
  return `${counting} ${lock.packages['node_modules/gpt-tokenizer']?.version}`;
}

/** The token table as one file: making it takes half a second and 150 MB, which a gateway that starts has no use for. */
async function writeVocabulary(out) {
  const { buildTable, packTable } = await import(
    `${pathToFileURL(join(out, outputOf(COUNTING))).href}?${Date.now()}`
  );
  const { default: ranks } = await import('gpt-tokenizer/bpeRanks/o200k_base');
  const file = join(out, dirname(COUNTING), 'o200k.table');
  // Renamed, as a gateway of an earlier build may be reading it.
  await writeFile(`${file}.new`, packTable(buildTable(ranks)));
  await rename(`${file}.new`, file);
}

async function readManifest(file, recipe) {
  try {
    const manifest = JSON.parse(await readFile(file, 'utf8'));
    if (manifest.recipe === recipe) return manifest;
  } catch {
    // None yet, or torn by an interrupted build.
  }
  await rm(dirname(file), { recursive: true, force: true });
  return { files: {} };
}

async function list(folder, root) {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : list(path, root);
      const file = relative(root, path).split(sep).join('/');
      return SKIPPED_FILES.test(file) ? [] : [file];
    }),
  );
  return found.flat();
}

async function inBatches(items, size, work) {
  let index = 0;
  const lane = async () => {
    while (index < items.length) await work(items[index++]);
  };
  await Promise.all(Array.from({ length: size }, lane));
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const start = performance.now();
  const { written, removed, total } = await build();
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  console.log(`dist/: ${written} of ${total} files written, ${removed} removed, ${seconds} s`);
}
