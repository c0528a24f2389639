import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

import { type Artefact, obtain } from './cache.ts';
import { capture, run } from './command.ts';
import type { LabDirectory } from './lab-directory.ts';
import { labSource } from './source.ts';
import type { Suite } from './suite.ts';

/** What boots: kernel, initrd and root disk of one suite. */
export interface Image {
  readonly kernel: string;
  readonly initrd: string;
  readonly disk: string;
}

/** Turns a root file system into an {@link Image}. Direct kernel boot, without a boot loader. */
export function image(lab: LabDirectory, suite: Suite, root: Artefact): Image {
  const scripts = path.join(labSource, 'guest');
  const inits = new Map([
    ['init', path.join(scripts, 'stage1')],
    ['init-lab', path.join(scripts, 'init')],
    ['init-systemd', path.join(scripts, 'init-systemd')],
    ...readdirSync(path.join(scripts, 'systemd')).map(
      (name) => [`init-systemd.units/${name}`, path.join(scripts, 'systemd', name)] as const,
    ),
  ]);
  const { directory } = obtain({
    shelf: lab.path('image'),
    name: suite,
    inputs: [
      root.key,
      ...[...inits.values(), path.join(labSource, 'host', 'image.ts')].map((file) =>
        readFileSync(file, 'utf8'),
      ),
    ],
    title: `disk image of ${suite}`,
    build(output) {
      const log = lab.log(`image-${suite}`);
      const release = kernelRelease(root.directory);
      copyFileSync(path.join(root.directory, 'boot', `vmlinuz-${release}`), path.join(output, 'vmlinuz'));
      buildInitrd({ log, root: root.directory, release, inits, output });
      buildDisk(log, root.directory, path.join(output, 'root.ext4'));
    },
  });
  const [kernel, initrd, disk] = ['vmlinuz', 'initrd', 'root.ext4'].map((name) => path.join(directory, name));
  return { kernel: kernel!, initrd: initrd!, disk: disk! };
}

/** Release of the only kernel in a root file system, such as `6.12.117+deb13-amd64`. */
export function kernelRelease(root: string): string {
  const releases = readdirSync(path.join(root, 'lib', 'modules'));
  if (releases[0] === undefined || releases.length > 1)
    throw new Error(`${root} has ${releases.length} kernels`);
  return releases[0];
}

interface InitrdParts {
  readonly log: string;
  readonly root: string;
  readonly release: string;
  /** Name in the initrd and file of its scripts. */
  readonly inits: ReadonlyMap<string, string>;
  readonly output: string;
}

/** A static busybox, the modules for a virtio disk with ext4 in the order in which they must be loaded, scripts. */
function buildInitrd({ log, root, release, inits, output }: InitrdParts): void {
  const work = path.join(output, 'work');
  for (const name of ['bin', 'modules', 'dev', 'newroot', 'init-systemd.units'])
    mkdirSync(path.join(work, name), { recursive: true });
  copyFileSync(path.join(root, 'usr', 'bin', 'busybox'), path.join(work, 'bin', 'busybox'));
  for (const [name, file] of inits) cpSync(file, path.join(work, name));

  const depends = ['virtio_pci', 'virtio_blk', 'ext4'].flatMap((module) =>
    capture('modprobe', ['--dirname', root, '--set-version', release, '--show-depends', module]).split('\n'),
  );
  const modules = new Set(
    depends.flatMap((line) => (line.startsWith('insmod ') ? [line.split(' ')[1] ?? ''] : [])),
  );
  [...modules].forEach((module, index) => {
    const name = `${String(index).padStart(3, '0')}-${path.basename(module).replace(/\.xz$/, '')}`;
    const target = path.join(work, 'modules', name);
    // busybox insmod reads no xz.
    if (module.endsWith('.xz')) run(log, 'sh', ['-c', 'xz -dc "$1" >"$2"', 'sh', module, target]);
    else copyFileSync(module, target);
  });

  const archive = 'find . | cpio --create --format=newc --owner=0:0 --quiet >../initrd';
  run(log, 'sh', ['-c', archive], { cwd: work });
  rmSync(work, { recursive: true });
}

/** The root disk, with room to spare; sparse. The lab opens it as a snapshot: every boot starts pristine. */
function buildDisk(log: string, root: string, disk: string): void {
  const used = Number(capture('du', ['-sm', root]).split('\t')[0]);
  writeFileSync(disk, '');
  truncateSync(disk, (used + 700) * 1024 * 1024);
  const features = ['-t', 'ext4', '-O', '^has_journal', '-E', 'lazy_itable_init=1,root_owner=0:0', '-m', '0'];
  run(log, 'mke2fs', ['-q', ...features, '-d', root, disk]);
}
