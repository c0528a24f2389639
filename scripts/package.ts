/**
 * Makes the packages from what is built: `npm run package [-- --only NAME…] [--out DIRECTORY]`. They go to dist/packages, or into a
 * directory that is empty or not there yet. The same source and the same date give the same bytes. When one of them cannot be made,
 * none is there.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { arch } from './package/arch.ts';
import { deb } from './package/deb.ts';
import { npm } from './package/npm.ts';
import { dateOfRelease, makeRelease, type Format } from './package/release.ts';
import { rpm } from './package/rpm.ts';

const formats: Readonly<Record<string, Format>> = {
  tarball: ({ tarball }) => [tarball],
  deb,
  rpm,
  arch,
  npm,
};

const USUAL_PLACE = 'dist/packages';

try {
  makePackages();
} catch (error) {
  console.error(`package: error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

function makePackages(): void {
  const { values } = parseArgs({
    options: { only: { type: 'string', multiple: true }, out: { type: 'string', default: USUAL_PLACE } },
  });
  const names = values.only ?? Object.keys(formats);
  const unknown = names.filter((name) => formats[name] === undefined);
  if (unknown.length > 0)
    throw new Error(
      `no package is called ${unknown.join(', ')}; there are ${Object.keys(formats).join(', ')}`,
    );
  if (values.out !== USUAL_PLACE && existsSync(values.out) && readdirSync(values.out).length > 0)
    throw new Error(`${values.out} is not empty: packages go into a directory of their own`);

  const work = mkdtempSync(join(tmpdir(), 'vfio-hook-packages-'));
  try {
    const made = join(work, 'made');
    mkdirSync(made);
    makeInto(made, work, names);
    // What is there is from an earlier run: nothing else goes into it.
    if (values.out === USUAL_PLACE) rmSync(USUAL_PLACE, { recursive: true, force: true });
    cpSync(made, values.out, { recursive: true });
    for (const name of readdirSync(made).sort()) console.log(join(values.out, name));
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** Makes these packages, the bill of materials and the list of checksums in an empty directory. */
function makeInto(made: string, work: string, names: readonly string[]): void {
  const release = makeRelease(made, work, dateOfRelease());
  const files = names.flatMap((name) => formats[name]?.(release) ?? []);
  if (!names.includes('tarball')) rmSync(release.tarball);
  const bill = join(made, `vfio-hook-${release.version}.cdx.json`);
  copyFileSync('dist/sbom.cdx.json', bill);
  const sums = [...files, bill]
    .map((file) => relative(made, file))
    .sort()
    .map((file) => `${sha256(join(made, file))}  ${file}\n`);
  writeFileSync(join(made, 'SHA256SUMS'), sums.join(''));
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
