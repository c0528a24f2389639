import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { type Artefact, obtain } from './cache.ts';
import { capture, run } from './command.ts';
import type { LabDirectory } from './lab-directory.ts';
import { emulatorSuite, type Suite } from './suite.ts';

/** What is in the lab besides Debian's essential packages: a kernel, QEMU, libvirt, the suite's own Node. */
const packages = [
  ...['linux-image-amd64', 'kmod', 'pciutils', 'iproute2', 'procps', 'mount', 'e2fsprogs', 'busybox-static'],
  ...['qemu-system-x86', 'libvirt-daemon', 'libvirt-daemon-driver-qemu', 'libvirt-clients'],
  ...['nodejs', 'strace', 'apparmor'],
  // What a desktop has beside a sound card. Nothing of it runs unless a case starts it.
  ...['udev', 'dbus', 'pipewire', 'wireplumber', 'pulseaudio', 'alsa-utils'],
];

/** What is a package of its own after bookworm: `virsh nodedev-detach`, which hooks of the usual shape call. */
const laterPackages = ['libvirt-daemon-driver-nodedev'];

/** Firmware of the machines that the emulator makes; the suite's own QEMU needs none. */
const firmwarePackages = ['ovmf'];

// Bookworm makes these accounts only in a package that pulls in systemd; libvirtd looks them up.
const accounts = `chroot "$1" sh -eu -c '
for group in kvm libvirt libvirt-qemu; do getent group $group >/dev/null || groupadd --system $group; done
getent passwd libvirt-qemu >/dev/null || useradd --system --no-create-home --home-dir /var/lib/libvirt \\
  --gid libvirt-qemu --shell /usr/sbin/nologin libvirt-qemu'`;

// Bookworm has libvirtd's AppArmor profile in a package that pulls in systemd; only the profile is taken.
const profile = `[ -e "$1/etc/apparmor.d/usr.sbin.libvirtd" ] || {
  (cd "$1/tmp" && chroot "$1" sh -c 'cd /tmp && apt-get -q download libvirt-daemon-system') &&
  chroot "$1" sh -eu -c 'cd /tmp; dpkg-deb --fsys-tarfile libvirt-daemon-system_*.deb |
    tar -x -C / ./etc/apparmor.d; rm -f libvirt-daemon-system_*.deb'
}`;

const keepDebs = `mkdir -p "$1/var/cache/apt/archives"
cp -l "$LAB_DEBS"/*.deb "$1/var/cache/apt/archives/" 2>/dev/null || true`;
const takeDebs = `cp -n "$1"/var/cache/apt/archives/*.deb "$LAB_DEBS/" || true
rm -f "$1"/var/cache/apt/archives/*.deb`;

const options = [
  ...['--mode=root', '--variant=apt', '--format=directory'],
  '--skip=check/empty,essential/unlink,cleanup/apt/cache',
  ...['--dpkgopt=force-unsafe-io', '--dpkgopt=path-exclude=/usr/share/doc/*'],
  ...['--dpkgopt=path-exclude=/usr/share/man/*', '--dpkgopt=path-exclude=/usr/share/locale/*'],
  `--setup-hook=${keepDebs}`,
];

/** A suite's root file system, made of Debian packages; the packages themselves are kept beside it. */
export function rootfs(lab: LabDirectory, suite: Suite): Artefact {
  return debian(lab, suite, {
    shelf: 'rootfs',
    title: `root file system of ${suite}`,
    packages: [
      ...packages,
      ...(suite === 'bookworm' ? [] : laterPackages),
      ...(suite === emulatorSuite ? firmwarePackages : []),
    ],
    hooks: [`--customize-hook=${accounts}`, `--customize-hook=${profile}`],
  });
}

/** Which directory of Debian packages is wanted. */
export interface DebianRoot {
  /** Where it is kept, below the lab's directory. */
  readonly shelf: string;
  readonly title: string;
  readonly packages: readonly string[];
  /** What is done in it before the packages go, as options of mmdebstrap. */
  readonly hooks: readonly string[];
}

/** A directory of Debian's essential packages and these; what was downloaded is shared by all of a suite. */
export function debian(lab: LabDirectory, suite: Suite, root: DebianRoot): Artefact {
  const include = root.packages.join(',');
  const hooks = [...root.hooks, `--customize-hook=${takeDebs}`];
  return obtain({
    shelf: lab.path(root.shelf),
    name: suite,
    inputs: [suite, include, ...options, ...hooks],
    title: root.title,
    build(directory) {
      const debs = lab.path('debs', suite);
      mkdirSync(debs, { recursive: true });
      const settings = `${directory}.apt`;
      writeFileSync(settings, aptSettings());
      run(
        lab.log(`${root.shelf}-${suite}`),
        'mmdebstrap',
        [
          ...[...options, ...hooks, `--include=${include}`, `--aptopt=${settings}`],
          ...[suite, directory, ...mirror()],
        ],
        // INITRD=No: the kernel package would spend half a minute on an initrd that is never used.
        { env: { INITRD: 'No', LAB_DEBS: path.resolve(debs) } },
      );
      rmSync(settings);
    },
  });
}

/** mmdebstrap's private apt does not see this machine's settings for proxies and clocks. */
function aptSettings(): string {
  const kept = capture('apt-config', ['dump'])
    .split('\n')
    .filter((line) => /^Acquire::.*(Proxy|Check-)/.test(line));
  return [...kept, 'Acquire::Languages "none";', 'APT::Install-Recommends "false";', ''].join('\n');
}

/** The Debian mirror of this machine, or none (Ubuntu, for one): mmdebstrap then takes its own default. */
function mirror(): readonly string[] {
  const set = process.env['LAB_MIRROR'];
  if (set !== undefined && set !== '') return [set];
  const targets = capture('apt-get', ['indextargets', '--format', '$(ORIGIN) $(CODENAME) $(REPO_URI)']);
  const debian = targets
    .split('\n')
    .map((line) => line.split(' '))
    .find(([origin, codename]) => origin === 'Debian' && !/security|updates|backports/.test(codename ?? ''));
  return debian?.[2] === undefined ? [] : [debian[2]];
}
