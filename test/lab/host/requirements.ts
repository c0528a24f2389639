import { existsSync } from 'node:fs';
import process from 'node:process';

import { isInstalled, run } from './command.ts';
import { LabError } from './lab-error.ts';

/** What the lab needs from this machine, by the Debian package that has it and a file or program that shows it. */
const packages: readonly { readonly name: string; readonly program?: string; readonly file?: string }[] = [
  { name: 'mmdebstrap', program: 'mmdebstrap' },
  { name: 'debian-archive-keyring', file: '/usr/share/keyrings/debian-archive-keyring.gpg' },
  { name: 'e2fsprogs', program: 'mke2fs' },
  { name: 'cpio', program: 'cpio' },
  { name: 'kmod', program: 'modprobe' },
  { name: 'xz-utils', program: 'xz' },
  { name: 'gcc', program: 'gcc' },
  { name: 'libc6-dev', file: '/usr/include/stdlib.h' },
  { name: 'libglib2.0-dev', file: '/usr/include/glib-2.0/glib.h' },
  { name: 'pkg-config', program: 'pkg-config' },
  { name: 'python3', program: 'python3' },
];

/**
 * Checks that this machine can run the lab and installs the Debian packages that are missing.
 * @throws LabError that names all that is missing
 */
export function meetRequirements(log: string): void {
  const missing = [
    process.platform === 'linux' && process.arch === 'x64' ? undefined : 'Linux on x86-64',
    process.getuid?.() === 0 ? undefined : 'root (to make root file systems)',
    isInstalled('apt-get') ? undefined : 'apt-get (the lab is made of Debian packages)',
  ].filter((need) => need !== undefined);
  if (missing.length > 0) throw new LabError(`cannot run the lab here: it needs ${missing.join(' and ')}`);

  const absent = packages.filter(
    ({ program, file }) =>
      (program !== undefined && !isInstalled(program)) || (file !== undefined && !existsSync(file)),
  );
  if (absent.length === 0) return;
  const names = absent.map(({ name }) => name);
  console.log(`  installing ${names.join(', ')}`);
  const install = ['-q', 'install', '-y', '--no-install-recommends', ...names];
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  try {
    run(log, 'apt-get', install, { env });
  } catch {
    // A machine that was made from an image often has no package lists, or old ones.
    run(log, 'apt-get', ['-q', 'update'], { env });
    run(log, 'apt-get', install, { env });
  }
}
