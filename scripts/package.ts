/**
 * Makes the packages in dist/packages from what is built: `npm run package [-- --only NAME…] [--out DIRECTORY]`. The same source and
 * the same date give the same bytes.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, out: { type: 'string', default: 'dist/packages' } },
});
const names = values.only ?? Object.keys(formats);
const unknown = names.filter((name) => formats[name] === undefined);
if (unknown.length > 0)
  throw new Error(`no package is called ${unknown.join(', ')}; there are ${Object.keys(formats).join(', ')}`);

const work = mkdtempSync(join(tmpdir(), 'vfio-hook-packages-'));
try {
  rmSync(values.out, { recursive: true, force: true });
  mkdirSync(values.out, { recursive: true });
  const release = makeRelease(values.out, work, dateOfRelease());
  const files = names.flatMap((name) => formats[name]?.(release) ?? []);
  if (!names.includes('tarball')) rmSync(release.tarball);
  const bill = join(values.out, `vfio-hook-${release.version}.cdx.json`);
  copyFileSync('dist/sbom.cdx.json', bill);
  const all = [...files, bill].map((file) => relative(values.out, file)).sort();
  writeFileSync(
    join(values.out, 'SHA256SUMS'),
    all.map((file) => `${sha256(join(values.out, file))}  ${file}\n`).join(''),
  );
  for (const file of [...all, 'SHA256SUMS']) console.log(join(values.out, file));
} finally {
  rmSync(work, { recursive: true });
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
