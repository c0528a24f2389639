import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Format } from './release.ts';

const SOURCE = 'packaging/arch';

/**
 * `PKGBUILD` with the version and the checksum of the release's tarball, and the functions that pacman runs: makepkg(8) makes a
 * package for Arch Linux from them, in the directory in which the tarball is.
 */
export const arch: Format = ({ version, floor, tarball, out }) => {
  const checksum = createHash('sha256').update(readFileSync(tarball)).digest('hex');
  const text = readFileSync(join(SOURCE, 'PKGBUILD'), 'utf8')
    .replace(/^pkgver=.*$/m, `pkgver=${version}`)
    .replace(/'nodejs>=[^']*'/, `'nodejs>=${floor}'`)
    .replace(/^sha256sums=.*$/m, `sha256sums=('${checksum}')`);
  const build = join(out, 'PKGBUILD');
  writeFileSync(build, text);
  const functions = join(out, 'vfio-hook.install');
  copyFileSync(join(SOURCE, 'vfio-hook.install'), functions);
  return [build, functions];
};
