import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/**
 * What each folder under src/ may import, besides itself and src/errors.ts.
 * Dependencies point one way: hook, cli -> engine -> steps -> plan -> claim, domain, config, pci.
 * The port (src/host/host.ts) is a set of types that every folder may name; its two implementations are
 * handed in by hook and cli and imported by nobody else.
 */
const layers = {
  pci: { pure: true, may: [] },
  domain: { pure: true, may: ['pci'] },
  config: { pure: true, may: ['pci'] },
  claim: { pure: true, may: ['pci'] },
  plan: { pure: true, may: ['pci', 'domain', 'config', 'claim'] },
  log: { pure: false, may: [] },
  host: { pure: false, may: ['pci'] },
  steps: { pure: true, may: ['pci', 'plan', 'host'] },
  engine: { pure: false, may: ['pci', 'domain', 'config', 'claim', 'plan', 'steps', 'host', 'log'] },
  hook: { pure: false, may: ['pci', 'domain', 'config', 'claim', 'plan', 'steps', 'engine', 'host', 'log'] },
  doctor: { pure: true, may: ['pci', 'domain', 'config', 'claim', 'plan', 'steps', 'engine', 'host'] },
  cli: {
    pure: false,
    may: ['pci', 'domain', 'config', 'claim', 'plan', 'steps', 'engine', 'host', 'log', 'hook', 'doctor'],
  },
};

const layerRules = Object.entries(layers).map(([folder, { pure, may }]) => {
  const forbidden = Object.keys(layers).filter((other) => other !== folder && !may.includes(other));
  const patterns = forbidden.map((other) => ({
    regex: `^(\\.\\./)+${other}/`,
    message: `src/${folder} may not depend on src/${other}: see docs/architecture.md.`,
  }));
  if (pure) {
    patterns.push({ regex: '^node:', message: `src/${folder} is pure: input and output come in as Host.` });
  }
  return {
    files: [`src/${folder}/**/*.ts`],
    rules: { 'no-restricted-imports': ['error', { patterns }] },
  };
});

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', '.lab/', 'node_modules/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      'no-console': 'error',
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'exit', message: 'Set process.exitCode: a log line would be lost.' },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    },
  },
  ...layerRules,
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unused-expressions': 'off',
    },
  },
  { files: ['scripts/**/*.ts', 'test/**/*.ts'], rules: { 'no-console': 'off' } },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
);
