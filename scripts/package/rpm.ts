import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { run, type Release } from './release.ts';

const SPEC = 'packaging/rpm/vfio-hook.spec';

/**
 * Settings of rpmbuild with which the same sources make the same bytes: no name of a host, no time but the given one
 * (`macros` of rpm; https://reproducible-builds.org/docs/source-date-epoch/).
 */
const REPRODUCIBLE = {
  _buildhost: 'reproducible',
  clamp_mtime_to_source_date_epoch: '1',
  use_source_date_epoch_as_buildtime: '1',
  source_date_epoch_from_changelog: '0',
  // Whatever is the default of the rpm at hand.
  _binary_payload: 'w9.gzdio',
  // Compresses manual pages, and is no script for Debian's sh.
  __brp_compress: 'bash %{_rpmconfigdir}/brp-compress',
} as const;

/**
 * Makes `vfio-hook-VERSION-1.noarch.rpm` by rpmbuild(8), and `vfio-hook-selinux-VERSION-1.noarch.rpm` where the policy of Fedora or EL
 * is there to be compiled against (`options` can want it anywhere: `--with selinux`). No source package: the release's
 * tarball is one (`rpmbuild -ta`), and what rpmbuild writes into its own says in which directory that was.
 *
 * @throws Error when there is no rpmbuild, or it fails
 */
export function rpm(release: Release, options: readonly string[] = []): readonly string[] {
  if (spawnSync('rpmbuild', ['--version']).status !== 0) {
    throw new Error(
      'there is no rpmbuild, which makes the .rpm; install it: apt install rpm, dnf install rpm-build, pacman -S rpm-tools',
    );
  }
  const { version, floor, tarball, epoch, out, work } = release;
  const top = join(work, 'rpm');
  for (const name of ['SOURCES', 'SPECS']) mkdirSync(join(top, name), { recursive: true });
  copyFileSync(tarball, join(top, 'SOURCES', basename(tarball)));
  const spec = join(top, 'SPECS/vfio-hook.spec');
  const text = readFileSync(SPEC, 'utf8')
    .replace(/^Version: .*$/m, `Version: ${version}`)
    .replace(/^(%global node_floor) .*$/m, `$1 ${floor}`);
  writeFileSync(spec, text);
  const macros = { ...REPRODUCIBLE, _topdir: top, _tmppath: top };
  const defines = Object.entries(macros).flatMap(([name, value]) => ['--define', `${name} ${value}`]);
  // On another distribution rpm knows of no package that is installed.
  run('rpmbuild', ['-bb', '--quiet', '--nodeps', ...defines, ...options, spec], {
    SOURCE_DATE_EPOCH: String(epoch),
    HOME: top,
  });
  const made = join(top, 'RPMS/noarch');
  return readdirSync(made)
    .sort()
    .map((name) => {
      copyFileSync(join(made, name), join(out, name));
      return join(out, name);
    });
}
