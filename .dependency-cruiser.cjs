// The picture of docs/pipeline.md as rules: arrows only down, rooms are strangers to one another.
const KERNEL = 'kernel|contracts';
const BASE = 'config|observability';
const L1 = 'config|observability|database|redis|cluster|http-client|model-catalog|tasks';
const L2 = 'auth|rate-limit|token-limits|semantic-cache|routing|providers|usage';
const TEST_CODE = '(\\.spec\\.ts$|/testing/|^test/)';

const lib = (names) => `^libs/(${names})/`;

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Nest 12 is ESM only: a cycle between injectables dies at import.',
      severity: 'error',
      from: {},
      to: { circular: true, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'not-to-unresolvable',
      comment: 'A specifier that resolves to nothing fails at run time, and hides what it imports.',
      severity: 'error',
      from: { pathNot: TEST_CODE },
      to: { couldNotResolve: true },
    },
    {
      name: 'kernel-stands-alone',
      comment: 'L0 has no Nest, no I/O, no environment; contracts may use zod.',
      severity: 'error',
      from: { path: lib(KERNEL), pathNot: TEST_CODE },
      to: {
        pathNot: [
          lib(KERNEL),
          '^node:(crypto|perf_hooks|util)$',
          '^(crypto|perf_hooks|util)$',
          'node_modules/zod/',
        ],
      },
    },
    {
      name: 'L1-looks-down',
      comment: 'L1 may import L0, config and observability.',
      severity: 'error',
      from: { path: `^libs/(${L1})/`, pathNot: TEST_CODE },
      to: {
        path: '^(libs|apps|tools|test|benchmarks)/',
        pathNot: [lib(KERNEL), lib(BASE), '^libs/$1/'],
      },
    },
    {
      name: 'rooms-are-strangers',
      comment: 'L2 rooms never import one another: declare a port and let the app bind it.',
      severity: 'error',
      from: { path: `^libs/(${L2})/`, pathNot: TEST_CODE },
      to: {
        path: '^(libs|apps|tools|test|benchmarks)/',
        pathNot: [lib(KERNEL), lib(L1), '^libs/$1/'],
      },
    },
    {
      name: 'chat-looks-down',
      comment: 'L3 may import every lib, no app.',
      severity: 'error',
      from: { path: '^libs/chat/', pathNot: TEST_CODE },
      to: { path: '^(apps|tools|test|benchmarks)/' },
    },
    {
      name: 'apps-do-not-meet',
      comment: 'The gateway may run the worker inside itself; nothing else crosses.',
      severity: 'error',
      from: { path: '^apps/(?!gateway/)([^/]+)/', pathNot: TEST_CODE },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'through-the-front-door',
      comment: 'Other libs are imported as @sluice/<lib>, which is their index.ts.',
      severity: 'error',
      from: { path: '^(libs|apps)/([^/]+)/', pathNot: TEST_CODE },
      to: { path: '^libs/', pathNot: ['^$1/$2/', '^libs/[^/]+/src/(index|host)\\.ts$'] },
    },
    {
      name: 'no-inner-barrel',
      comment: "Importing through the own lib's index.ts closes a cycle.",
      severity: 'error',
      from: { path: '^libs/([^/]+)/src/', pathNot: [TEST_CODE, '^libs/[^/]+/src/index\\.ts$'] },
      to: { path: '^libs/$1/src/index\\.ts$' },
    },
    {
      name: 'no-test-code-in-production',
      comment:
        'Builders and scripted servers stay out of what ships; an index may offer them to other tests.',
      severity: 'error',
      from: { path: '^(libs|apps)/', pathNot: [TEST_CODE, '^libs/[^/]+/src/index\\.ts$'] },
      to: { path: '(\\.spec\\.ts$|^test/|^libs/[^/]+/(src/)?testing/)' },
    },
    {
      name: 'no-dev-dependency-in-production',
      comment: 'It is not installed in the image.',
      severity: 'error',
      from: { path: '^(libs|apps)/', pathNot: [TEST_CODE, '^apps/dashboard/'] },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'telemetry-in-one-place',
      comment: 'OpenTelemetry is loaded only when a collector is named.',
      severity: 'error',
      from: {
        path: '^(libs|apps)/',
        pathNot: ['^libs/observability/src/otlp\\.tracer\\.ts$', TEST_CODE],
      },
      to: { path: 'node_modules/@opentelemetry/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^dist/|^apps/dashboard/|/fixtures/)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
