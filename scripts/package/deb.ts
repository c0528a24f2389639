/*
 * The package for Debian, Ubuntu and what comes from them, made by dpkg-deb. What it has in it is what install.sh installs;
 * here it becomes what Debian Policy asks for (chapters 5, 6, 12 and appendix).
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { debianChangelog } from './debian-changelog.ts';
import { run, stage, type Format } from './release.ts';

const SOURCE = 'packaging/deb';
const DOCUMENTS = 'usr/share/doc/vfio-hook';
/** Scripts that dpkg runs. The first checks before any file is there. */
const SCRIPTS = ['preinst', 'postinst', 'prerm', 'postrm'];

/** `vfio-hook_VERSION_all.deb` */
export const deb: Format = (release) => {
  const { version, epoch, floor, tree, out } = release;
  const root = stage(release, 'deb', { NODE: '/usr/bin/node', REMOVE: 'apt remove vfio-hook' }, [
    // Where Debian's zsh looks; install.sh sees that it is there.
    'usr/share/zsh/vendor-completions',
  ]);
  const maintainer = `${process.env['DEBFULLNAME'] ?? 'vfio-hook authors'} <${process.env['DEBEMAIL'] ?? 'vfio-hook@packages.example'}>`;
  documents(root, tree, debianChangelog(readFileSync('CHANGELOG.md', 'utf8'), maintainer, epoch));

  const control = join(root, 'DEBIAN');
  mkdirSync(control);
  const fields: Readonly<Record<string, string>> = {
    VERSION: version,
    FLOOR: floor,
    MAINTAINER: maintainer,
    INSTALLED_SIZE: String(kibibytes(root)),
  };
  const filled = (name: string): string =>
    readFileSync(join(SOURCE, name), 'utf8')
      .replace(/^# include before-install\n/m, () =>
        readFileSync(join(tree, 'dist/before-install.sh'), 'utf8'),
      )
      .replace(/@([A-Z_]+)@/g, (_, field: string) => {
        const value = fields[field];
        if (value === undefined) throw new Error(`${SOURCE}/${name}: nothing is called ${field}`);
        return value;
      });
  writeFileSync(join(control, 'control'), filled('control'));
  const configuration = filesBelow(root).filter((path) => path.startsWith('etc/'));
  writeFileSync(join(control, 'conffiles'), configuration.map((path) => `/${path}\n`).join(''));
  writeFileSync(join(control, 'md5sums'), checksums(root, configuration));
  for (const name of SCRIPTS) writeFileSync(join(control, name), filled(name));
  for (const name of readdirSync(control))
    chmodSync(join(control, name), SCRIPTS.includes(name) ? 0o755 : 0o644);

  const file = join(out, `vfio-hook_${version}_all.deb`);
  date(root, epoch);
  run('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', root, file], {
    SOURCE_DATE_EPOCH: String(epoch),
  });
  return [file];
};

/** Manual pages and the changelog are compressed, and one file has the copyright of all that is in the package. */
function documents(root: string, tree: string, changelog: string): void {
  const directory = join(root, DOCUMENTS);
  writeFileSync(join(directory, 'changelog'), changelog);
  const pages = ['man5', 'man8'].flatMap((section) =>
    readdirSync(join(root, 'usr/share/man', section)).map((page) =>
      join(root, 'usr/share/man', section, page),
    ),
  );
  run('gzip', ['-9n', join(directory, 'changelog'), ...pages]);
  writeFileSync(join(directory, 'copyright'), copyright(tree));
  rmSync(join(directory, 'LICENSE'));
  rmSync(join(directory, 'THIRD-PARTY-LICENCES.txt'));
  mkdirSync(join(root, 'usr/share/lintian/overrides'), { recursive: true });
  writeFileSync(
    join(root, 'usr/share/lintian/overrides/vfio-hook'),
    readFileSync(join(SOURCE, 'lintian-overrides')),
  );
}

/** Our licence and those of what is bundled; the text of Apache's is on every Debian (Policy 12.5). */
function copyright(tree: string): string {
  const own = readFileSync(join(tree, 'LICENSE'), 'utf8');
  const others = readFileSync(join(tree, 'dist/THIRD-PARTY-LICENCES.txt'), 'utf8');
  const parts = [`vfio-hook\n\n${own}`, ...others.split(/^-{78}\n/m)].map((part) => {
    const apache = /^\S+ \S+ \(Apache-2\.0\)$/m.exec(part)?.[0];
    return apache === undefined
      ? part.trim()
      : `${apache}\n\n${/Copyright [\d-]+ .*/.exec(part)?.[0] ?? ''}\nThe licence is in /usr/share/common-licenses/Apache-2.0.`;
  });
  return `${parts.join(`\n\n${'-'.repeat(78)}\n\n`)}\n`;
}

/** Paths of all files below a directory, in order. */
function filesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => !path.startsWith('DEBIAN') && statSync(join(root, path)).isFile())
    .sort();
}

function kibibytes(root: string): number {
  return filesBelow(root).reduce((sum, path) => sum + Math.ceil(statSync(join(root, path)).size / 1024), 0);
}

/** As md5sum(1) prints it: dpkg --verify compares. */
function checksums(root: string, without: readonly string[]): string {
  return filesBelow(root)
    .filter((path) => !without.includes(path))
    .map(
      (path) =>
        `${createHash('md5')
          .update(readFileSync(join(root, path)))
          .digest('hex')}  ${path}\n`,
    )
    .join('');
}

/** dpkg-deb takes no file's date that is later than SOURCE_DATE_EPOCH; earlier ones it leaves. */
function date(root: string, epoch: number): void {
  for (const path of ['', ...readdirSync(root, { recursive: true, encoding: 'utf8' })])
    utimesSync(join(root, path), epoch, epoch);
}
