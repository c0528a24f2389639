import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/**
 * What each folder may import, besides itself and what lies beside the folders (src/errors.ts, …). Dependencies
 * point one way: cli -> hook -> engine -> plan -> resource -> steps -> observe -> host -> pci. `acts` says how a folder
 * meets the host:
 *
 * - `never`: data in, data out. It knows neither Node's modules nor the port to the kernel.
 * - `throughHost`: all that it reads and writes goes through a `Host` that it is given.
 * - `itself`: files, processes, signals.
 */
const layers = {
  pci: { acts: 'never', may: [] },
  domain: { acts: 'never', may: ['pci'] },
  config: { acts: 'never', may: ['pci'] },
  claim: { acts: 'never', may: ['pci'] },
  import: { acts: 'never', may: ['pci', 'config'] },
  log: { acts: 'itself', may: [] },
  host: { acts: 'itself', may: ['pci'] },
  observe: { acts: 'throughHost', may: ['pci', 'host'] },
  steps: { acts: 'throughHost', may: ['pci', 'host', 'observe'] },
  // Of the steps it knows what they are (step.ts), and nothing of how they are done.
  resource: {
    acts: 'never',
    may: ['pci', 'domain', 'config', 'claim', 'steps'],
    except: ['steps/(?!step\\.ts)'],
  },
  plan: {
    acts: 'never',
    may: ['pci', 'domain', 'config', 'claim', 'steps', 'resource'],
    except: ['steps/(?!step\\.ts)'],
  },
  engine: {
    acts: 'itself',
    may: ['pci', 'domain', 'config', 'claim', 'log', 'host', 'observe', 'steps', 'resource', 'plan'],
  },
  hook: {
    acts: 'itself',
    may: [
      ...['pci', 'domain', 'config', 'claim', 'log', 'host', 'observe', 'steps', 'resource', 'plan'],
      'engine',
    ],
  },
  doctor: {
    acts: 'throughHost',
    may: ['pci', 'domain', 'config', 'claim', 'host', 'observe', 'steps', 'resource', 'plan', 'engine'],
  },
  cli: {
    acts: 'itself',
    may: [
      ...['pci', 'domain', 'config', 'claim', 'log', 'host', 'observe', 'steps', 'resource', 'plan'],
      ...['engine', 'hook', 'doctor', 'import', 'simulator'],
    ],
  },
  simulator: { acts: 'itself', may: ['pci', 'host', 'observe'] },
};

const PORT = 'Node’s modules and the port are for others: input and output come in as data or as a Host.';

/**
 * What a kind of resource decides is data; what it is like on the host is read in files of their own, whose names begin
 * with `read`.
 */
const readers = { acts: 'throughHost', may: ['resource', 'pci', 'claim', 'host', 'observe'] };

const layerRules = [
  ...Object.entries(layers).map(([folder, layer]) =>
    wallAround(folder, layer, folder === 'simulator' ? 'simulator/**/*.ts' : `src/${folder}/**/*.ts`),
  ),
  wallAround('resource', readers, 'src/resource/**/read*.ts'),
];

function wallAround(folder, { acts, may, except = [] }, files) {
  const forbidden = Object.keys(layers).filter((other) => other !== folder && !may.includes(other));
  const patterns = [...forbidden.map((other) => `${other}/`), ...except].map((other) => ({
    regex: `^(\\.\\./)+(src/)?${other}`,
    message: `${folder} may not depend on that: see docs/architecture.md.`,
  }));
  if (acts !== 'itself') patterns.push({ regex: '^node:', message: PORT });
  if (acts === 'never') patterns.push({ regex: '/host/|/read[^/]*\\.ts$', message: PORT });
  if (acts === 'throughHost') patterns.push({ regex: '/host/linux/', message: PORT });
  // Walls between folders: what lies in one folder sees itself without `../NAME/`, at every depth.
  return { files: [files], rules: { 'no-restricted-imports': ['error', { patterns }] } };
}

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
      // There are no enums (tsconfig.json, erasableSyntaxOnly), and looking for them takes a sixth of the time of all rules.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/no-unsafe-enum-comparison': 'off',
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
