import { defineConfig } from 'oxlint';
import { FOLDER_RULES } from './lint/folders.ts';

export default defineConfig({
  plugins: ['typescript', 'import', 'unicorn', 'oxc', 'promise', 'node'],
  jsPlugins: ['./lint/no-clock.js'],
  categories: { correctness: 'error', suspicious: 'error', perf: 'off' },
  ignorePatterns: ['dist', 'coverage', 'node_modules'],
  rules: {
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'error',
    'import/no-cycle': 'error',
    'import/no-default-export': 'error',
    'no-console': 'error',
    complexity: ['error', { max: 12 }],
    'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],

    'import/no-named-as-default-member': 'off',
    'import/no-unassigned-import': 'off',
    'no-new': 'off',
    'no-shadow': 'off',
    'promise/always-return': 'off',
    'typescript/consistent-return': 'off',
    'typescript/no-unnecessary-type-parameters': 'off',
    'typescript/no-unsafe-enum-comparison': 'off',
    'typescript/no-unsafe-type-assertion': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'unicorn/no-array-sort': 'off',
    'unicorn/no-new-array': 'off',
  },
  overrides: [
    ...FOLDER_RULES,
    {
      files: ['test/**'],
      rules: { 'max-lines': ['error', { max: 500, skipBlankLines: true, skipComments: true }] },
    },
    // A person reads what these print in a terminal.
    {
      files: [
        'test/kit/**',
        'test/bench/**',
        'test/cluster/**',
        'test/e2e/**',
        'demo/**',
        'image/**',
        'docs/generate.ts',
      ],
      rules: { 'no-console': 'off' },
    },
    // oxlint takes its configuration, and a plugin, by their default exports.
    { files: ['lint/**', 'oxlint.config.ts'], rules: { 'import/no-default-export': 'off' } },
  ],
});
