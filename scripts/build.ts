/**
 * Builds dist/: the launcher, which is sh; the hook; and the parts that it loads when it needs them, in a
 * directory that is named after the version and what is in them, so that no hook ever meets the parts of another
 * build. Targets the oldest Node that is supported at run time.
 */
import { build, type BuildOptions } from 'esbuild';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readableVersions } from '../src/claim/decode.ts';
import * as distribution from '../src/distribution.ts';
import { oldestNode } from '../src/oldest-node.ts';
import { billOfMaterials } from './bill-of-materials.ts';
import { bundledPackages, thirdPartyLicences } from './licences.ts';

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: `node${oldestNode}`,
  // Text of one byte a character is read and kept in half the room: all that Node reads is ASCII, whatever a source has.
  charset: 'ascii',
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

/** What sh gets of the source: a name and a text each. */
const settings: ReadonlyMap<string, string> = new Map([
  ['PREFIX', distribution.PREFIX],
  ['LIBVIRT', distribution.LIBVIRT],
  ['PROGRAM_DIRECTORIES', distribution.PROGRAM_DIRECTORIES.join(':')],
  ['NODE_PLACES', distribution.NODE_PLACES.join(' ')],
  ['STORE', distribution.STORE],
  ['CLAIM_VERSIONS', readableVersions.join(' ')],
]);

/** A file of sh, with the files that it includes each in the place of a line `# include NAME`, and the settings for `@NAME@`. */
function shell(file: string): string {
  return readFileSync(file, 'utf8')
    .replace(/^# include (\S+)\n/gm, (_, name: string) => readFileSync(join(dirname(file), name), 'utf8'))
    .replace(/@([A-Z_]+)@/g, (_, name: string) => {
      const value = settings.get(name);
      if (value === undefined) throw new Error(`${file}: nothing is called ${name}`);
      return value;
    });
}

const inputs: string[] = [];

async function bundle(entry: string, options: BuildOptions = {}): Promise<string> {
  const result = await build({ ...common, ...options, entryPoints: [entry] });
  inputs.push(...Object.keys(result.metafile?.inputs ?? {}));
  const [file] = result.outputFiles ?? [];
  if (!file) throw new Error(`nothing came out of ${entry}`);
  return file.text;
}

/** Another directory is for the test that two builds are the same. */
const out = process.argv[2] ?? 'dist';

mkdirSync(out, { recursive: true });
// Packages stay: they are made from a build, and are none.
for (const name of readdirSync(out)) if (name !== 'packages') rmSync(`${out}/${name}`, { recursive: true });

const entries = {
  main: 'src/hook/main.ts',
  cli: 'src/cli/main.ts',
  domain: 'src/domain/parse.ts',
  config: 'src/config/part.ts',
  scripts: 'src/hook/scripts.ts',
  log: 'src/log/winston.ts',
  simulated: 'simulator/entry.ts',
  described: 'simulator/described.ts',
};
const parts: [file: string, text: string][] = [];
for (const [name, entry] of Object.entries(entries)) parts.push([`${name}.cjs`, await bundle(entry)]);
const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8);
const directory = `${version}-${hash}`;
mkdirSync(`${out}/${directory}`);
for (const [file, text] of parts) writeFileSync(`${out}/${directory}/${file}`, text);

const hook = await bundle('hooks/qemu.ts', {
  define: { ...common.define, __PARTS__: JSON.stringify(directory) },
  // For vfio-hook doctor.
  banner: { js: `// parts: ${directory}` },
});
writeFileSync(`${out}/hook.cjs`, hook);
writeFileSync(`${out}/vfio-hook`, shell('hooks/launcher.sh'));
chmodSync(`${out}/vfio-hook`, 0o755);
for (const file of [
  'hooks/only-root.sh',
  'packaging/system.sh',
  'packaging/maintainer.sh',
  'packaging/before-install.sh',
])
  writeFileSync(`${out}/${basename(file)}`, shell(file));
const packages = bundledPackages(inputs);
writeFileSync(`${out}/THIRD-PARTY-LICENCES.txt`, thirdPartyLicences(packages));
writeFileSync(`${out}/sbom.cdx.json`, billOfMaterials(version, packages));
