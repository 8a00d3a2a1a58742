export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/spec/**/*.spec.ts'],
  globalSetup: '<rootDir>/spec/kafka/globalSetup.mjs',
  globalTeardown: '<rootDir>/spec/kafka/globalTeardown.mjs',
  reporters: ['default', '<rootDir>/spec/countReporter.mjs'],
  maxWorkers: 2,
  // Room for a slow machine: what waits for something has a deadline of its own and says what it waited for.
  testTimeout: 60_000,
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^tidemark$': '<rootDir>/lib/index.ts',
    '^tidemark/(kafka|bridge|remote|tabs)$': '<rootDir>/lib/brokers/$1.ts',
    '^tidemark/(level|idb|postgres)$': '<rootDir>/lib/stores/$1.ts',
    '^tidemark/(marbles|replay|testing)$': '<rootDir>/lib/$1/index.ts',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  collectCoverageFrom: ['lib/**/*.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
}
