const kinds = {
  unit: {
    testRegex: '\\.spec\\.ts$',
    testPathIgnorePatterns: ['\\.(db|e2e|browser)\\.spec\\.ts$'],
  },
  db: { testRegex: '\\.db\\.spec\\.ts$' },
  e2e: { testRegex: '\\.e2e\\.spec\\.ts$' },
  browser: { testRegex: '\\.browser\\.spec\\.ts$' },
};
const common = {
  rootDir: import.meta.dirname,
  roots: ['<rootDir>/libs', '<rootDir>/apps', '<rootDir>/test', '<rootDir>/tools'],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest'] },
  setupFiles: ['reflect-metadata'],
  moduleNameMapper: {
    '^@sluice/([a-z-]+)$': '<rootDir>/libs/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/apps/dashboard/'],
};
export default {
  projects: Object.entries(kinds).map(([name, kind]) => ({
    ...common,
    ...kind,
    displayName: name,
  })),
  testTimeout: 120_000,
  coverageProvider: 'v8',
  collectCoverageFrom: [
    'libs/*/src/**/*.ts',
    '!**/*.spec.ts',
    '!**/index.ts',
    // Types alone: nothing of it is left to run.
    '!libs/cluster/src/messages.ts',
  ],
};
