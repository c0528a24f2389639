/**
 * Builds dist/: the hook, one executable file that is sh and JavaScript at once, and the parts that it loads
 * when it needs them. Targets the oldest Node that is supported at run time, Debian 12's.
 */
import { build, type BuildOptions } from 'esbuild';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { thirdPartyLicences } from './licences.ts';

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node18.20',
  charset: 'utf8',
  // A third of what a call costs beyond a bare Node is reading this text: a smaller one is read faster.
  minify: true,
  legalComments: 'none',
  write: false,
  metafile: true,
  logLevel: 'warning',
  define: { __VERSION__: JSON.stringify(version) },
  // cosmiconfig's loader for TypeScript configuration, which is never called.
  external: ['typescript'],
};

/** The launcher as the inside of a JavaScript comment; to sh, `":" /*` is a command that does nothing. */
function polyglot(launcher: string, program: string): string {
  const [shebang, ...lines] = launcher.trimEnd().split('\n');
  if (shebang !== '#!/bin/sh') throw new Error('hooks/launcher.sh must begin with #!/bin/sh');
  if (lines.some((line) => line.includes('*/')))
    throw new Error('hooks/launcher.sh holds the end of a comment');
  return [shebang, '":" /*', ...lines, '*/;', program].join('\n');
}

const inputs: string[] = [];

async function bundle(entry: string): Promise<string> {
  const result = await build({ ...common, entryPoints: [entry] });
  inputs.push(...Object.keys(result.metafile?.inputs ?? {}));
  const [file] = result.outputFiles ?? [];
  if (!file) throw new Error(`nothing came out of ${entry}`);
  return file.text;
}

/** Another directory is for the test that two builds are the same. */
const out = process.argv[2] ?? 'dist';

rmSync(out, { recursive: true, force: true });
mkdirSync(out);
writeFileSync(
  `${out}/vfio-hook`,
  polyglot(readFileSync('hooks/launcher.sh', 'utf8'), await bundle('hooks/qemu.ts')),
);
chmodSync(`${out}/vfio-hook`, 0o755);
const parts = {
  cli: 'src/cli/main.ts',
  domain: 'src/domain/parse.ts',
  config: 'src/config/decode.ts',
  log: 'src/log/winston.ts',
  simulated: 'src/host/simulated/entry.ts',
  described: 'src/host/simulated/described.ts',
};
for (const [name, entry] of Object.entries(parts)) writeFileSync(`${out}/${name}.cjs`, await bundle(entry));
// The project's own package.json says "module", which a file without an ending would take for itself.
writeFileSync(`${out}/package.json`, `${JSON.stringify({ type: 'commonjs' })}\n`);
writeFileSync(`${out}/THIRD-PARTY-LICENCES.txt`, thirdPartyLicences(inputs));
