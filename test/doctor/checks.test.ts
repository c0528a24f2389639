import assert from 'node:assert/strict';
import { advice, command } from '../../src/hint.ts';
import type { MachineSpec, MemorySpec } from '../../simulator/spec.ts';
import { checks } from '../../src/doctor/checks.ts';
import { examine } from '../../src/doctor/examine.ts';
import type { Finding, Verdict } from '../../src/doctor/finding.ts';
import { parseDeviceMatch } from '../../src/config/match.ts';
import type { Remark } from '../../src/engine/inspect-config.ts';
import type { Config, PartialConfig } from '../../src/config/config.ts';
import { machineSpec, pci, scenarios, type Scenario } from '../scenario.ts';
import {
  DAEMON_START_MS,
  domainOf,
  domainXml,
  examinationOf,
  hostdev,
  installedFiles,
  launcherText,
  machineOf,
  PARTS,
  type Situation,
} from './machine.ts';
import { wellFormed } from './well-formed.ts';

type Id = keyof typeof checks;
type Row = readonly [sentence: string, situation: Situation, verdict: Verdict, found: RegExp, fix?: RegExp];

/** libvirt's state of a guest that runs, with its definition in it. */
const running = (xml: string): string => `<domstatus state='running' pid='42'>${xml}</domstatus>`;
const card = domainXml({ devices: hostdev('0000:03:00.0') + hostdev('0000:03:00.1') });
const other = domainXml({ name: 'linux', devices: hostdev('0000:03:00.0') });
const eightCpus = (active: 'active' | 'inactive', hierarchy: 'v1' | 'v2' = 'v2'): Partial<MachineSpec> => ({
  cpus: { count: 8, offline: [], hierarchy, irqs: [] },
  units: [{ name: 'irqbalance.service', active }],
});
const nvidiaCard = domainXml({ devices: hostdev('0000:01:00.0') });
const otherNvidiaCard = domainXml({ devices: hostdev('0000:02:00.0') });
const mdev = domainXml({
  devices:
    "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>",
});
const sliceRule = (type: string): Config['mdev'][number] => ({
  uuid: 'c2177883-f1bb-47f0-914d-32a22e3a8804',
  parent: 'auto',
  type,
  attributes: [],
});
const mdevAndUsb = mdev.replace(
  '</devices>',
  "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0x5678'/></source></hostdev></devices>",
);
const pages = (backing: string): string =>
  domainXml({
    inside: `<memoryBacking>${backing}</memoryBacking>`,
    memory: "<memory unit='MiB'>1024</memory>",
  });
const late = { '/etc/libvirt/hooks/qemu': { changedMs: DAEMON_START_MS + 300_000 } };
const confined = { '/proc/812/attr/current': 'libvirtd (enforce)\n' };
const selinux = (context: string, boolean: string): Record<string, string> => ({
  '/sys/fs/selinux/enforce': '1',
  '/sys/fs/selinux/booleans/virt_hooks_unconfined': boolean,
  '/proc/812/comm': context.includes('virtqemud') ? 'virtqemud\n' : 'libvirtd\n',
  '/proc/812/attr/current': `${context}\n`,
});
const label = (type: string): NonNullable<Situation['facts']> => ({
  '/usr/sbin/vfio-hook': { mode: 0o755, label: `system_u:object_r:${type}:s0` },
});
const asksVendorReset: Partial<Config> = {
  devices: [{ match: parseDeviceMatch('1002:67df')!, bars: new Map(), reset: ['device_specific'] }],
};

const bars: PartialConfig = {
  devices: [{ match: { by: 'class', word: 'vga' }, bars: new Map([[2, 2 ** 23]]) }],
};
const withBars: Situation = {
  configFiles: [{ path: '/etc/vfio-hook/config.yaml', config: bars, remarks: [] }],
};
/** A configuration file about which there is something to say. */
const remarked = (remark: Remark): Situation => ({
  configFiles: [{ path: '/etc/vfio-hook/config.yaml', remarks: [remark] }],
});
const UNSAFE = { '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts': 'Y\n' };
/** The configuration lets guests start without interrupt remapping. */
const allowing = (
  sentence: string,
  interrupts: string,
  files: Readonly<Record<string, string>>,
  [verdict, found]: readonly [Verdict, RegExp],
): Row[] => [
  [
    sentence,
    {
      files: { '/proc/interrupts': interrupts, ...files },
      configFiles: [
        { path: '/etc/vfio-hook/config.yaml', config: { allowUnsafeInterrupts: true }, remarks: [] },
      ],
    },
    verdict,
    found,
  ],
];
const PACKAGE = '/usr/share/vfio-hook/package';
const dropIn = '/etc/libvirt/hooks/qemu.d';
const script = { mode: 0o755 };
/** Scripts of guest win11 by their paths below its directory. */
const tree = (scripts: Readonly<Record<string, string>>, mode = 0o755): Situation => {
  const paths = Object.entries(scripts).map(([name, text]) => [`${dropIn}/win11/${name}`, text] as const);
  return {
    files: Object.fromEntries(paths),
    facts: Object.fromEntries(paths.map(([path]) => [path, { mode }])),
    guests: { win11: domainXml({}) },
  };
};
/** Pages of 2 MiB, of which some are in use. */
const pools = (total: number, free: number): Situation => ({
  machine: { memory: memoryWith({ 2048: total }) },
  happened: (s) => {
    s.happens({ do: 'map-pages', program: 'qemu-system-x86', sizeKb: 2048, pages: total - free });
  },
});
const memoryWith = (pages: Readonly<Record<number, number>>, ...sizesKb: readonly number[]): MemorySpec => ({
  nodes: [{ totalKb: 2 ** 26, availableKb: 2 ** 25, wholeKb: 2 ** 25, pinnedKb: 0, pages }],
  sizesKb: [2048, ...sizesKb],
  compacts: true,
});

/** For each check at least one machine on which all is well, and one on which it is not. */
const twoGuests = {
  a: domainXml({ name: 'a', devices: hostdev('0000:41:00.4', '', 'no') }),
  b: domainXml({ name: 'b', devices: hostdev('0000:41:00.5', '', 'no') }),
};

const table: Readonly<Record<Id, readonly Row[]>> = {
  iommu: [
    ['groups are there', {}, 'ok', /^AMD-Vi is on: \d+ groups$/],
    [
      'a board of AMD without the table',
      {
        machine: { iommu: false },
        files: { '/sys/firmware/acpi/tables/IVRS': null, '/sys/firmware/acpi/tables/DSDT': '' },
      },
      'failure',
      /does not announce AMD-Vi \(no ACPI table IVRS\)/,
      /turn on IOMMU, AMD-Vi or SVM/,
    ],
    [
      'a board of Intel whose kernel is not told',
      {
        host: 'nvidia-desktop',
        machine: { iommu: false, commandLine: 'quiet' },
        files: {
          '/proc/cpuinfo': 'vendor_id\t: GenuineIntel\n',
          '/sys/firmware/acpi/tables/IVRS': null,
          '/sys/firmware/acpi/tables/DMAR': '',
          '/usr/sbin/update-grub': '',
        },
      },
      'failure',
      /firmware announces Intel VT-d, but the kernel does not use it/,
      /^sed -i .*intel_iommu=on.* \/etc\/default\/grub$/,
    ],
    [
      'a kernel that is told to do without',
      { machine: { iommu: false, commandLine: 'quiet amd_iommu=off' } },
      'failure',
      /the kernel command line has amd_iommu=off/,
      /take amd_iommu=off from the kernel command line/,
    ],
  ],
  'interrupt-remapping': [
    ['interrupts are remapped', {}, 'ok', /remapped/],
    [
      'an ARM board',
      { files: { '/proc/interrupts': ' 1: 0 GICv3 27 Level arch_timer\n' } },
      'ok',
      /not a matter/,
    ],
    [
      'not remapped, and not allowed without',
      { files: { '/proc/interrupts': ' 24: 0 PCI-MSI 1-edge\n' } },
      'failure',
      /VFIO refuses every guest/,
      /take over the host/,
    ],
    [
      'not remapped, and allowed without: the danger is said',
      {
        files: {
          '/proc/interrupts': ' 24: 0 PCI-MSI 1-edge\n',
          '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts': 'Y\n',
        },
      },
      'warning',
      /crash or take over the host/,
    ],
    [
      'remapped, and allowed without for nothing',
      { files: { '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts': 'Y\n' } },
      'warning',
      /not needed here/,
      /^echo N > \/sys\/module/,
    ],
    ...allowing('the configuration allows it: when and what that means', ' 24: 0 PCI-MSI 1-edge\n', {}, [
      'warning',
      /and allowUnsafeInterrupts in \/etc\/vfio-hook\/config.yaml turns allow_unsafe_interrupts on while a guest has devices: .* take over the host$/,
    ]),
    ...allowing('the configuration allows it, and a guest has devices', ' 24: 0 PCI-MSI 1-edge\n', UNSAFE, [
      'warning',
      /by allowUnsafeInterrupts in \/etc\/vfio-hook\/config.yaml allow_unsafe_interrupts is on: .* take over the host$/,
    ]),
    ...allowing('the configuration allows what is not needed', ' 24: 0 IR-PCI-MSI 1-edge\n', {}, [
      'warning',
      /^interrupts are remapped, so allowUnsafeInterrupts in \/etc\/vfio-hook\/config.yaml does nothing$/,
    ]),
    ['no IOMMU at all', { machine: { iommu: false } }, 'unknown', /IOMMU is off/],
  ],
  'no-iommu-mode': [
    ['off', { files: { '/sys/module/vfio/parameters/enable_unsafe_noiommu_mode': 'N\n' } }, 'ok', /^off$/],
    [
      'on',
      { files: { '/sys/module/vfio/parameters/enable_unsafe_noiommu_mode': 'Y\n' } },
      'failure',
      /write to all memory of the host/,
    ],
  ],
  'acs-override': [
    ['not used', {}, 'ok', /what the hardware isolates/],
    [
      'used',
      { machine: { commandLine: 'quiet pcie_acs_override=downstream,multifunction' } },
      'warning',
      /pcie_acs_override=downstream,multifunction/,
    ],
  ],
  'vfio-modules': [
    ['to be loaded', {}, 'ok', /first guest that needs it loads it/],
    [
      'built in',
      {
        files: {
          '/lib/modules/6.12.117+deb13-amd64/modules.alias': '',
          '/lib/modules/6.12.117+deb13-amd64/modules.builtin':
            'kernel/drivers/vfio/pci/vfio-pci.ko\nkernel/drivers/vfio/vfio_iommu_type1.ko\n',
        },
      },
      'ok',
      /first guest/,
    ],
    [
      'loaded',
      {
        happened: (s) => {
          s.happens({ do: 'load', module: 'vfio_pci' });
        },
      },
      'ok',
      /^vfio-pci is loaded$/,
    ],
    [
      'blacklisted by name',
      { files: { '/etc/modprobe.d/local.conf': '# mine\nblacklist vfio-pci\n' } },
      'failure',
      /local\.conf keeps the module vfio_pci from being loaded \(blacklist\)/,
      /^sed -i -E /,
    ],
  ],
  kernel: [
    ['a recent one', {}, 'ok', /^Linux 6\.12/],
    ['a recent one that resizes BARs', { ...withBars, machine: { kernel: '7.2' } }, 'ok', /BARs are resized/],
    [
      'with the BUG of the group notifier',
      { machine: { kernel: '5.15' } },
      'warning',
      /crashes the whole host/,
    ],
    [
      'that may lose BARs',
      { ...withBars, machine: { kernel: '6.1' } },
      'warning',
      /may lose BARs.*mended in Linux 6\.19, or 6\.1\.178, .* of its series/,
    ],
    [
      'of a series that loses BARs, with the update that mends it',
      {
        ...withBars,
        machine: { kernel: '6.1' },
        files: {
          '/proc/version':
            'Linux version 6.1.0-51-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0) #1 SMP Debian 6.1.192-2 (2026-11-20)\n',
        },
      },
      'ok',
      /BARs are resized/,
    ],
  ],
  lockdown: [
    ['off', {}, 'ok', /^lockdown: none$/],
    [
      'on, and nothing missing',
      { files: { '/sys/kernel/security/lockdown': 'none [integrity] confidentiality\n' } },
      'ok',
      /modules without a signature do not/,
    ],
    [
      'on, and a module that is not there',
      {
        files: {
          '/sys/kernel/security/lockdown': 'none [integrity] confidentiality\n',
          '/etc/modules-load.d/gpu.conf': '# reset\nvendor-reset\n',
        },
      },
      'warning',
      /not there.*vendor_reset/,
      /^modprobe vendor_reset/,
    ],
  ],
  'hook-installed': [
    ['a link to us', {}, 'ok', /qemu leads to \/usr\/sbin\/vfio-hook$/],
    [
      'a drop-in',
      {
        files: {
          '/etc/libvirt/hooks/qemu': '#!/bin/sh\n',
          [`${dropIn}/50-vfio-hook`]: '-> /usr/sbin/vfio-hook',
        },
      },
      'ok',
      /50-vfio-hook leads to/,
    ],
    [
      'a dispatcher that calls us',
      { files: { '/etc/libvirt/hooks/qemu': '#!/bin/sh\nexec /opt/x/vfio-hook-hook "$@"\n' } },
      'ok',
      /another hook, which calls/,
    ],
    [
      'nothing there',
      { files: { '/etc/libvirt/hooks/qemu': null } },
      'failure',
      /there is no/,
      /^ln -s \/usr\/sbin\/vfio-hook \/etc\/libvirt\/hooks\/qemu$/,
    ],
    [
      'a link to nothing',
      { files: { '/usr/sbin/vfio-hook': null } },
      'failure',
      /which is not there/,
      /^\.\/install\.sh$/,
    ],
    [
      'somebody else’s hook',
      { files: { '/etc/libvirt/hooks/qemu': '#!/bin/sh\necho hello\n' } },
      'failure',
      /is another hook/,
    ],
    [
      'a directory',
      { files: { '/etc/libvirt/hooks/qemu': null, '/etc/libvirt/hooks/qemu/x': '' } },
      'failure',
      /is a directory/,
    ],
    [
      'nothing, on a host where a package has put the program',
      { files: { '/etc/libvirt/hooks/qemu': null, [PACKAGE]: 'program: /usr/sbin/vfio-hook\n' } },
      'failure',
      /^there is no /,
      /^\/usr\/lib\/vfio-hook\/maintainer\.sh configure$/,
    ],
  ],
  'hook-executable': [
    ['it is', {}, 'ok', /yes$/],
    [
      'it is not',
      { facts: { '/usr/sbin/vfio-hook': { mode: 0o644 } } },
      'failure',
      /not executable \(mode 0644\).*in silence/,
      /^chmod 755 \/usr\/sbin\/vfio-hook$/,
    ],
  ],
  'hook-owner': [
    ['root only', {}, 'ok', /^only root can replace it$/],
    [
      'a program of a user',
      { facts: { '/usr/sbin/vfio-hook': { mode: 0o755, uid: 1000 } } },
      'failure',
      /^\/usr\/sbin\/vfio-hook belongs to uid 1000: /,
      /^chown -h root:root \/usr\/sbin\/vfio-hook$/,
    ],
    [
      'a part that everybody may write to',
      { facts: { [`${PARTS}/cli.cjs`]: { mode: 0o666 } } },
      'failure',
      /^others than root may write to \S+\/cli\.cjs \(mode 0666\)/,
      /^chmod go-w /,
    ],
    [
      'the file that the launcher starts',
      { facts: { '/usr/lib/vfio-hook/hook.cjs': { mode: 0o644, uid: 33 } } },
      'failure',
      /hook\.cjs belongs to uid 33/,
    ],
    [
      'a directory of hooks that a group may write to',
      { facts: { '/etc/libvirt/hooks': { mode: 0o775, gid: 108 } } },
      'failure',
      /write to \/etc\/libvirt\/hooks \(mode 0775\)/,
    ],
    [
      'a directory further up, of the group root and sticky: no excuse',
      { facts: { '/usr': { mode: 0o1775 } } },
      'failure',
      /write to \/usr \(mode 1775\)/,
    ],
  ],
  'hook-parts': [
    ['all there', {}, 'ok', /\/usr\/lib\/vfio-hook\/0\.1\.0-\w+ has them/],
    ['one is missing', { files: { [`${PARTS}/domain.cjs`]: null } }, 'failure', /lacks domain\.cjs/],
    [
      'the hook itself is missing',
      { files: { '/usr/lib/vfio-hook/hook.cjs': null } },
      'failure',
      /^\/usr\/lib\/vfio-hook\/hook\.cjs, which \/usr\/sbin\/vfio-hook starts, is not there/,
      /^\.\/install\.sh$/,
    ],
    [
      'a part of a package is missing',
      { files: { [`${PARTS}/cli.cjs`]: null, [PACKAGE]: '' } },
      'failure',
      /lacks cli\.cjs/,
      /^install the package vfio-hook again$/,
    ],
  ],
  'hook-noticed': [
    ['the daemon came later', {}, 'ok', /started after the hook came/],
    [
      'no daemon',
      {
        happened: (s) => {
          s.happens({ do: 'stop-libvirt' });
        },
      },
      'ok',
      /not running/,
    ],
    [
      'the hook came later',
      { facts: late },
      'warning',
      /came 5 min after libvirtd \(pid 812\)/,
      /^systemctl reload libvirtd\.service$/,
    ],
    [
      'the hook came later, and install.sh let the daemon reload',
      {
        facts: { ...late, '/run/vfio-hook/libvirt-reloaded': { changedMs: DAEMON_START_MS + 300_000 } },
        files: { '/run/vfio-hook/libvirt-reloaded': '' },
      },
      'ok',
      /reloaded by install\.sh/,
    ],
    [
      'the hook came later, and has run since',
      {
        facts: { ...late, '/run/vfio-hook/claims': { changedMs: DAEMON_START_MS + 900_000 } },
        files: { '/run/vfio-hook/claims/': '' },
      },
      'ok',
      /has run the hook since/,
    ],
    [
      'the hook came later, beside one that was there before',
      { facts: { ...late, [`${dropIn}/10-mine`]: script }, files: { [`${dropIn}/10-mine`]: '#!/bin/sh\n' } },
      'ok',
      /started after/,
    ],
    [
      'a daemon whose start cannot be seen',
      { facts: late, files: { '/proc/stat': null } },
      'unknown',
      /cannot be seen/,
    ],
  ],
  'other-hooks': [
    ['none', {}, 'ok', /^none$/],
    [
      'one that is in nobody’s way',
      { files: { [`${dropIn}/10-mine`]: '#!/bin/sh\n' }, facts: { [`${dropIn}/10-mine`]: script } },
      'ok',
      /also runs .*10-mine/,
    ],
    [
      'a drop-in that is taken for the command',
      { files: { [`${dropIn}/vfio-hook`]: '-> /usr/sbin/vfio-hook' } },
      'failure',
      /taken for the command/,
      /^mv .*\/vfio-hook .*\/50-vfio-hook$/,
    ],
    [
      'twice',
      { files: { [`${dropIn}/50-vfio-hook`]: '-> /usr/sbin/vfio-hook' } },
      'warning',
      /runs vfio-hook twice/,
    ],
    [
      'a copy of an editor',
      { files: { [`${dropIn}/10-mine~`]: '#!/bin/sh\n' }, facts: { [`${dropIn}/10-mine~`]: script } },
      'warning',
      /left behind/,
      /^chmod a-x '.*10-mine~'$/,
    ],
  ],
  'hook-scripts': [
    ['none', {}, 'ok', /^none$/],
    [
      'one that keeps off the devices',
      {
        files: { [`${dropIn}/10-mine`]: '#!/bin/sh\n# virsh is not called\nsystemctl stop gdm\n' },
        facts: { [`${dropIn}/10-mine`]: script },
      },
      'ok',
      /1 looked at/,
    ],
    [
      'a script of the VFIO-Tools tree',
      {
        files: {
          [`${dropIn}/win11/prepare/begin/start.sh`]:
            '#!/bin/bash\nvirsh nodedev-detach pci_0000_03_00_0\nmodprobe -r vfio_pci\n',
        },
      },
      'warning',
      /calls virsh.*unloads vfio modules/,
      /^grep -nE .*start\.sh$/,
    ],
    [
      'the hook that install.sh kept',
      {
        files: {
          '/etc/libvirt/hooks/qemu.kept-by-vfio-hook': 'echo 1 > /sys/bus/pci/drivers/amdgpu/unbind\n',
        },
      },
      'warning',
      /moves devices between drivers/,
    ],
  ],
  'guest-scripts': [
    ['none', {}, 'ok', /^none$/],
    [
      'as they should be',
      tree({ 'prepare/begin/10-a.sh': '#!/bin/sh\n', 'prepare/between/b': '#!/bin/sh\n' }),
      'ok',
      /^2 scripts, each/,
    ],
    ['a text for people', tree({ 'prepare/begin/readme.txt': 'text\n' }, 0o644), 'ok', /^1 script/],
    [
      'one that is not executable',
      tree({ 'release/end/90-a.sh': '#!/bin/sh\n' }, 0o644),
      'warning',
      /^it is not executable \(mode 0644\): it is left out in silence$/,
      /^chmod 755 .*\/win11\/release\/end\/90-a\.sh$/,
    ],
    [
      'one without a first line that says what runs it',
      tree({ 'prepare/begin/a': 'echo hello\n' }),
      'warning',
      /^its first line does not say what runs it/,
    ],
    ['a program', tree({ 'prepare/begin/a': '\u007fELF\u0001' }), 'ok', /^1 script/],
    [
      'line ends of Windows',
      tree({ 'prepare/begin/a.sh': '#!/bin/bash\r\necho\r\n' }),
      'failure',
      /^its lines end as those of Windows do/,
      /^sed -i /,
    ],
    [
      'one that others may write to',
      tree({ 'prepare/begin/a.sh': '#!/bin/sh\n' }, 0o775),
      'failure',
      /^it is refused, and the call with it: others than root may write to .*a\.sh/,
      /^chmod go-w /,
    ],
    [
      'what an editor left behind',
      tree({ 'prepare/begin/a.sh~': '#!/bin/sh\n' }),
      'warning',
      /left behind/,
      /^chmod a-x /,
    ],
    [
      'operation and sub-operation the wrong way round',
      tree({ 'begin/prepare/a.sh': '#!/bin/sh\n' }),
      'warning',
      /begin\/prepare is the wrong way round: libvirt calls prepare\/begin$/,
    ],
    [
      'a sub-operation that libvirt never calls',
      tree({ 'stopped/begin/a.sh': '#!/bin/sh\n' }),
      'warning',
      /libvirt calls stopped\/end, and never stopped\/begin$/,
    ],
    [
      'an operation that there is not',
      tree({ 'starting/begin/a.sh': '#!/bin/sh\n' }),
      'warning',
      /libvirt calls nothing by the name "starting"$/,
    ],
    [
      'a guest that there is not',
      { ...tree({ 'prepare/begin/a.sh': '#!/bin/sh\n' }), guests: {} },
      'warning',
      /^libvirt has no guest "win11": nothing in it runs$/,
    ],
    [
      'a guest that is written otherwise',
      { ...tree({ 'prepare/begin/a.sh': '#!/bin/sh\n' }), guests: { Win11: domainXml({ name: 'Win11' }) } },
      'warning',
      /^libvirt has no guest "win11"/,
      /^mv .*\/win11 .*\/Win11$/,
    ],
  ],
  node: [
    ['the chosen one', {}, 'ok', /^\/usr\/bin\/node \(v20\.19\.2\)$/],
    [
      'another one than this command runs on',
      { runtime: { path: '/home/me/node', version: 'v22.0.0' } },
      'ok',
      /version was not looked at/,
    ],
    [
      'none',
      { files: { '/usr/bin/node': null } },
      'failure',
      /none where the hook looks \(\/usr\/bin\/node, /,
    ],
    [
      'too old',
      { runtime: { path: '/usr/bin/node', version: 'v18.18.2' } },
      'failure',
      /v18\.18\.2, and 18\.19 or later/,
    ],
    [
      'the chosen one is gone, another one is there',
      {
        files: {
          '/usr/sbin/vfio-hook': launcherText("/opt/it'\\''s/node"),
        },
      },
      'warning',
      /^\/opt\/it's\/node, which was chosen at installation, is gone/,
      /^NODE=\/usr\/bin\/node \.\/install\.sh$/,
    ],
    [
      'the one of a package is gone',
      { files: { '/usr/sbin/vfio-hook': launcherText('/usr/bin/gone'), [PACKAGE]: '' } },
      'warning',
      /^\/usr\/bin\/gone, which was chosen/,
      /^install the package vfio-hook again$/,
    ],
    [
      'the chosen one lies below a directory of another user; the hook takes another one',
      {
        files: {
          '/usr/sbin/vfio-hook': launcherText('/home/me/.nvm/bin/node'),
          '/home/me/.nvm/bin/node': 'ELF',
        },
        facts: { '/home/me': { uid: 1000, mode: 0o700 }, '/home/me/.nvm/bin/node': { mode: 0o755 } },
      },
      'failure',
      /^somebody else than root can replace \S+\.nvm\/bin\/node: \/home\/me belongs to uid 1000; the hook takes \/usr\/bin\/node instead$/,
    ],
    [
      'a link on the way to the only one lies in a directory that everybody may write to',
      {
        files: { '/usr/bin/node': '-> /srv/open/node', '/srv/open/node': '-> /opt/node', '/opt/node': 'ELF' },
        facts: { '/srv/open': { mode: 0o1777 }, '/opt/node': { mode: 0o755 } },
      },
      'failure',
      /^somebody else than root can replace \/usr\/bin\/node: others than root may write to \/srv\/open \(mode 1777\); the hook does not run it/,
    ],
  ],
  programs: [
    ['all there', {}, 'ok', /are there$/],
    ['one is missing', { files: { '/usr/bin/flock': null } }, 'failure', /: flock$/, /^install util-linux$/],
    [
      'dd is busybox’s',
      { machine: { unfitPrograms: { dd: "dd: invalid argument 'nocreat' to 'conv'" } } },
      'failure',
      /^the program dd of this host does not do what is needed \(conv=nocreat,notrunc .*'nocreat' to 'conv'$/,
      /^install the package coreutils$/,
    ],
    [
      'logger is busybox’s',
      { machine: { unfitPrograms: { logger: "logger: unrecognized option '--tag'" } } },
      'warning',
      /^the program logger .*: lines of the log are lost$/,
      /^install the package bsdutils/,
    ],
    ['no logger', { files: { '/usr/bin/logger': null } }, 'warning', /no logger/],
    ['no ip', { files: { '/usr/bin/ip': null } }, 'warning', /no ip: default routes in other tables/],
  ],
  apparmor: [
    ['not there', {}, 'ok', /does not confine/],
    ['confines, and the program is in /usr/sbin', { files: confined }, 'ok', /allows the hook/],
    [
      'confines, and the program is in /opt',
      {
        files: {
          ...confined,
          '/etc/libvirt/hooks/qemu': '-> /opt/tool/sbin/vfio-hook',
          '/opt/tool/sbin/vfio-hook': installedFiles['/usr/sbin/vfio-hook'] ?? '',
        },
        facts: { '/opt/tool/sbin/vfio-hook': script },
      },
      'failure',
      /does not let it run \/opt\/tool\/sbin\/vfio-hook/,
      /^PREFIX=\/usr \.\/install\.sh$/,
    ],
    [
      'confines, and Node.js is a link into /usr/local',
      {
        files: { ...confined, '/usr/bin/node': '-> /usr/local/bin/node', '/usr/local/bin/node': 'ELF' },
        facts: { '/usr/local/bin/node': script },
      },
      'failure',
      /\/usr\/local\/bin\/node/,
      /NODE=\/usr\/bin\/node/,
    ],
    [
      'confines, and somebody has allowed it',
      {
        files: {
          ...confined,
          '/etc/apparmor.d/local/usr.sbin.libvirtd': '  /usr/local/bin/node rmPUx,\n',
          '/usr/bin/node': '-> /usr/local/bin/node',
          '/usr/local/bin/node': 'ELF',
        },
        facts: { '/usr/local/bin/node': script },
      },
      'ok',
      /allows/,
    ],
  ],
  selinux: [
    ['not there', {}, 'ok', /not active/],
    ['permissive', { files: { '/sys/fs/selinux/enforce': '0' } }, 'ok', /permissive/],
    [
      'enforcing, with libvirtd',
      { files: selinux('system_u:system_r:virtd_t:s0', '0 0'), facts: label('bin_t') },
      'ok',
      /virtd_t, which runs hooks/,
    ],
    ...['0 0', '1 1'].map((boolean): Row => [
      `enforcing, with virtqemud, whatever the boolean for virtnetworkd says (${boolean})`,
      { files: selinux('system_u:system_r:virtqemud_t:s0', boolean), facts: label('bin_t') },
      'warning',
      /runs as virtqemud_t, which may not write to \/sys, and the hook has no domain of its own .*do not start/,
      boolean === '0 0' ? /^dnf install vfio-hook-selinux$/ : /^restorecon -v \/usr\/sbin\/vfio-hook$/,
    ]),
    [
      'enforcing, with virtqemud and a policy module for this hook',
      { files: selinux('system_u:system_r:virtqemud_t:s0', '0 0'), facts: label('vfio_hook_exec_t') },
      'ok',
      /virtqemud_t, and the hook has a domain of its own \(vfio_hook_exec_t\)/,
    ],
    [
      'enforcing, with a file that came out of a home directory',
      { files: selinux('system_u:system_r:virtd_t:s0', '0 0'), facts: label('user_home_t') },
      'failure',
      /label system_u:object_r:user_home_t:s0/,
      /^restorecon -Rv /,
    ],
    [
      'enforcing, with a label that cannot be seen',
      { files: selinux('system_u:system_r:virtd_t:s0', '0 0') },
      'unknown',
      /cannot be seen/,
    ],
  ],
  libvirt: [
    ['a recent one', {}, 'ok', /^libvirt 11\.3\.0$/],
    [
      'an old one',
      {
        files: {
          '/usr/lib/x86_64-linux-gnu/libvirt.so.0': '-> /usr/lib/x86_64-linux-gnu/libvirt.so.0.8000.0',
        },
      },
      'warning',
      /libvirt 8\.0\.0 is older than 9\.0/,
    ],
    [
      'one that does not know qemu.d',
      {
        files: {
          '/usr/lib/x86_64-linux-gnu/libvirt.so.0': '-> /usr/lib/x86_64-linux-gnu/libvirt.so.0.6000.0',
          [`${dropIn}/50-vfio-hook`]: '-> /usr/sbin/vfio-hook',
        },
      },
      'warning',
      /does not know .*qemu\.d/,
    ],
    [
      'none to be seen',
      { files: { '/usr/lib/x86_64-linux-gnu/libvirt.so.0': null } },
      'unknown',
      /not where distributions/,
    ],
  ],
  'recover-unit': [
    ['no systemd', {}, 'ok', /does not run here/],
    [
      'enabled',
      {
        files: {
          '/run/systemd/system/': '',
          '/usr/lib/systemd/system/vfio-hook-recover.service': '',
          '/etc/systemd/system/libvirtd.service.wants/vfio-hook-recover.service': '',
        },
      },
      'ok',
      /is enabled/,
    ],
    [
      'not enabled',
      { files: { '/run/systemd/system/': '', '/usr/lib/systemd/system/vfio-hook-recover.service': '' } },
      'warning',
      /is not enabled/,
      /^systemctl enable vfio-hook-recover\.service$/,
    ],
    ['not there', { files: { '/run/systemd/system/': '' } }, 'warning', /there is no vfio-hook-recover/],
  ],
  configuration: [
    ['none', {}, 'ok', /none is needed/],
    ['one that is fine', withBars, 'ok', /^1 file, as it should be$/],
    [
      'one that is broken',
      remarked({ severity: 'problem', line: 3, text: 'unknown key "timeout"', hints: [] }),
      'failure',
      /^unknown key/,
      /^mend that line/,
    ],
    [
      'a directory that everybody may write to',
      remarked({
        severity: 'problem',
        text: 'cannot trust configuration /etc/vfio-hook: everybody may write to it',
        hints: [command('chmod go-w /etc/vfio-hook')],
      }),
      'failure',
      /everybody may write/,
      /^chmod go-w \/etc\/vfio-hook$/,
    ],
    [
      'a file without effect',
      remarked({ severity: 'warning', text: 'libvirt knows no guest "win10"', hints: [advice('rename it')] }),
      'warning',
      /knows no guest "win10"/,
    ],
    [
      'one that may not be looked at',
      remarked({ severity: 'problem', text: 'cannot read it', hints: [], errno: 'EACCES' }),
      'unknown',
      /^cannot look at \/etc\/vfio-hook\/config\.yaml: EACCES$/,
    ],
  ],
  claims: [
    ['none', {}, 'ok', /no guest holds/],
    [
      'a guest that runs',
      {
        happened: async (s) => {
          await s.prepare(domainOf(card));
          s.happens({ do: 'open-group', devices: ['0000:03:00.0'], guest: 'win11' });
        },
      },
      'ok',
      /^1 held/,
    ],
    [
      'a guest that is gone',
      {
        happened: async (s) => {
          await s.prepare(domainOf(card));
          s.time.now += 3_600_000;
        },
      },
      'warning',
      /its guest is gone/,
      /^vfio-hook recover$/,
    ],
    [
      'what could not be put back',
      {
        happened: async (s) => {
          await s.prepare(domainOf(card));
          s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/amdgpu/bind', times: 'always' });
          await s.release('win11').catch(() => undefined);
        },
      },
      'failure',
      /not everything is back/,
    ],
  ],
  'damaged-claims': [
    ['none', {}, 'ok', /^none$/],
    [
      'a torn one',
      {
        happened: async (s) => {
          await s.prepare(domainOf(card));
          s.damage('6e9d6d4c-6b1b-4a0c-8f0a-0d6f9c1f2b3a.json', '{ "version"');
        },
      },
      'failure',
      /cannot be trusted/,
    ],
  ],
  'blocked-writes': [
    ['none', {}, 'ok', /^none$/],
    [
      'one that hangs',
      {
        config: { timeouts: { kernelWrite: 50, run: 100, lock: 50, script: 50 } },
        happened: async (s) => {
          s.fault({ kind: 'hang' }, { path: '*/snd_hda_intel/unbind' });
          await s.prepare(domainOf(card)).catch(() => undefined);
        },
      },
      'failure',
      /has not returned: process \d+ waits/,
    ],
  ],
  guests: [
    ['none', {}, 'ok', /no guest of libvirt/],
    [
      'one that can start',
      { guests: { win11: card } },
      'ok',
      /it can start: 2 devices are moved, of IOMMU group 16/,
    ],
    [
      'one that runs',
      { guests: { win11: card }, happened: (s) => s.prepare(domainOf(card)) },
      'ok',
      /holds 2 devices now/,
    ],
    [
      'one whose devices another guest holds',
      { guests: { linux: other }, happened: (s) => s.prepare(domainOf(card)) },
      'warning',
      /it cannot start now: 0000:03:00\.0: guest "win11" holds it/,
    ],
    [
      'one that asks for a bridge',
      { guests: { win11: domainXml({ devices: hostdev('0000:02:00.0') }) } },
      'failure',
      /refused: 0000:02:00\.0: it is a bridge/,
      /^vfio-hook plan win11$/,
    ],
    [
      'one whose device is not there',
      { guests: { win11: domainXml({ devices: hostdev('0000:7f:00.0') }) } },
      'failure',
      /there is no PCI device 0000:7f:00\.0/,
    ],
    ['one that cannot be read', { guests: { win11: '<domain' } }, 'failure', /cannot read the domain XML/],
    [
      'one with a mediated device that could be made',
      { host: 'nvidia-vgpu-mdev', guests: { win11: mdev }, config: { mdev: [sliceRule('A10-4Q')] } },
      'ok',
      /^it can start: no PCI device is moved$/,
    ],
    [
      'one with a mediated device that could not',
      { host: 'nvidia-vgpu-mdev', guests: { win11: mdev }, config: { mdev: [sliceRule('A16-4Q')] } },
      'warning',
      /it cannot start now: mediated device c2177883-\S+: no parent of this host offers the type A16-4Q/,
      /vfio-hook mdev/,
    ],
    ['one with a mediated device', { guests: { win11: mdev } }, 'ok', /mediated devices only/],
    [
      'one that runs without a definition',
      { files: { '/run/libvirt/qemu/win11.xml': running(card) } },
      'ok',
      /it can start: 2 devices are moved/,
    ],
    [
      'one that runs without a definition and cannot be read',
      { files: { '/run/libvirt/qemu/win11.xml': '<domstatus' } },
      'failure',
      /cannot read the domain XML/,
      /^virsh dumpxml win11$/,
    ],
  ],
  'guest-conflicts': [
    [
      'two with one mediated device',
      { guests: { win11: mdev, linux: mdev.replaceAll('win11', 'linux') } },
      'warning',
      /^"linux" and "win11" both want mediated device c2177883-\S+: only one/,
    ],
    ['none', { guests: { win11: card } }, 'ok', /no two guests/],
    [
      'one that is defined and one that runs without a definition',
      { guests: { win11: card }, files: { '/run/libvirt/qemu/linux.xml': running(other) } },
      'warning',
      /"win11" and "linux" both want IOMMU group 16/,
    ],
    [
      'two that share a group',
      { guests: { win11: card, linux: other } },
      'warning',
      /"linux" and "win11" both want IOMMU group 16/,
    ],
    [
      'two that share a group and both start with the host',
      { guests: { win11: card, linux: other }, autostart: ['win11', 'linux'] },
      'failure',
      /both start with the host/,
      /^virsh autostart --disable win11$/,
    ],
  ],
  'isolated-cpus': [
    ['no guest with cpus', { guests: { win11: card } }, 'ok', /^no guest wants any$/],
    [
      'a guest with cpus',
      {
        guests: { win11: card },
        config: { cpus: { isolate: '2-3', irqs: true } },
        machine: eightCpus('inactive'),
      },
      'ok',
      /^the host keeps off them while it runs$/,
    ],
    [
      'a host without cgroup v2',
      {
        guests: { win11: card },
        config: { cpus: { isolate: '2-3', irqs: false } },
        machine: eightCpus('inactive', 'v1'),
      },
      'failure',
      /needs the unified hierarchy/,
    ],
    [
      'an irqbalance that runs',
      {
        guests: { win11: card },
        config: { cpus: { isolate: '2-3', irqs: true } },
        machine: eightCpus('active'),
      },
      'warning',
      /irqbalance, which runs, moves them back/,
      /services: \{stop: \[irqbalance\.service\]\}/,
    ],
    [
      'an irqbalance that is stopped for the guest, or of no concern',
      {
        guests: { win11: card },
        config: {
          cpus: { isolate: '2-3', irqs: true },
          services: { stop: [{ name: 'irqbalance.service' }], start: [] },
        },
        machine: eightCpus('active'),
      },
      'ok',
      /^the host keeps off them/,
    ],
  ],
  hugepages: [
    ['nobody asks', { guests: { win11: card } }, 'ok', /no guest/],
    [
      'enough',
      { guests: { win11: pages('<hugepages/>') }, ...pools(600, 600) },
      'ok',
      /needs 512 pages of 2 MiB/,
    ],
    [
      'not enough in all',
      { guests: { win11: pages('<hugepages/>') }, ...pools(100, 100) },
      'failure',
      /the host has 100 in all/,
      /^echo 512 > \/sys\/kernel\/mm\/hugepages\/hugepages-2048kB\/nr_hugepages$/,
    ],
    [
      'enough, but in use',
      { guests: { win11: pages('<hugepages/>') }, ...pools(600, 100) },
      'warning',
      /100 of 600 are free now/,
      /^echo 1012 /,
    ],
    [
      'too few, and the configuration adds as many as it needs',
      {
        guests: { win11: pages('<hugepages/>') },
        ...pools(100, 100),
        config: { hugepages: { sizeKb: 2048, count: 'auto' } },
      },
      'ok',
      /needs 512 pages of 2 MiB: 100 are free, and 512 are added when it starts$/,
    ],
    [
      'too few, also with what the configuration adds',
      {
        guests: { win11: pages('<hugepages/>') },
        ...pools(100, 100),
        config: { hugepages: { sizeKb: 2048, count: 411 } },
      },
      'failure',
      /the host has 100 in all/,
    ],
    [
      'too few, and the configuration adds those of another size',
      {
        guests: { win11: pages('<hugepages/>') },
        ...pools(100, 100),
        config: { hugepages: { sizeKb: 1048576, count: 512 } },
      },
      'failure',
      /the host has 100 in all/,
    ],
    [
      'of another size, as /sys has it',
      {
        guests: { win11: pages("<hugepages><page size='1' unit='GiB'/></hugepages>") },
        machine: { memory: memoryWith({ 1048576: 2 }, 1048576) },
      },
      'ok',
      /1 page of 1 GiB/,
    ],
    [
      'of a size that there is none of',
      {
        guests: { win11: pages("<hugepages><page size='1' unit='GiB'/></hugepages>") },
        machine: { memory: memoryWith({}) },
      },
      'failure',
      /no huge pages of 1 GiB/,
    ],
  ],
  'boot-bound': [
    ['none', {}, 'ok', /^none$/],
    [
      'a card that is on vfio-pci',
      {
        machine: { commandLine: 'quiet vfio_pci.ids=1002:744c,1002:ab30' },
        devices: { '0000:03:00.0': { driver: 'vfio-pci' }, '0000:03:00.1': { driver: 'vfio-pci' } },
        happened: async (s) => {
          s.happens({ do: 'load', module: 'vfio_pci' });
          await s.moveByHand('0000:03:00.0', 'vfio-pci');
          await s.moveByHand('0000:03:00.1', 'vfio-pci');
        },
      },
      'ok',
      /^2 ids, on vfio-pci/,
    ],
    [
      'a card that another driver got',
      { files: { '/etc/modprobe.d/vfio.conf': 'options vfio-pci ids=1002:744c disable_vga=1\n' } },
      'warning',
      /vfio\.conf names 1002:744c, yet 0000:03:00\.0 is on amdgpu/,
    ],
    [
      'the card of the firmware’s screen',
      { machine: { commandLine: 'quiet vfio-pci.ids=1002:164e' } },
      'warning',
      /the host stays dark/,
    ],
    [
      'an id of several cards',
      { host: 'server-8-gpu', machine: { commandLine: 'quiet vfio-pci.ids=10de:20b5' } },
      'warning',
      /takes every device with 10de:20b5: 0000:19:00\.0, 0000:1a:00\.0, /,
    ],
    [
      'an id of no card',
      { machine: { commandLine: 'vfio-pci.ids=dead:beef' } },
      'warning',
      /no device has it/,
    ],
  ],
  driverctl: [
    ['none', {}, 'ok', /^none$/],
    [
      'an override that is in force',
      { files: { '/etc/driverctl.d/pci-0000:03:00.0': 'amdgpu\n' } },
      'ok',
      /0000:03:00\.0 on amdgpu/,
    ],
    [
      'an override that was lost',
      { files: { '/etc/driverctl.d/pci-0000:03:00.0': 'vfio-pci\n' } },
      'warning',
      /wants vfio-pci, and it is on amdgpu/,
      /^driverctl load-override 0000:03:00\.0$/,
    ],
    [
      'a device that is not there',
      { files: { '/etc/driverctl.d/pci-0000:7f:00.0': 'vfio-pci\n' } },
      'warning',
      /no such device/,
    ],
    [
      'a device that a guest holds',
      {
        files: { '/etc/driverctl.d/pci-0000:03:00.0': 'amdgpu\n' },
        happened: (s) => s.prepare(domainOf(card)),
      },
      'ok',
      /come back after a guest/,
    ],
  ],
  'device-answers': [
    ['no device', {}, 'ok', /there are none/],
    ['they do', { guests: { win11: card } }, 'ok', /all of them/],
    [
      'one does not',
      {
        guests: { win11: card },
        happened: (s) => {
          s.happens({ do: 'lose', device: '0000:03:00.0' });
        },
      },
      'failure',
      /answers every read with ones/,
    ],
  ],
  'device-reset': [
    ['a card of which one function can be reset', { guests: { win11: card } }, 'ok', /can be reset/],
    [
      'a card that cannot be reset',
      { guests: { win11: card }, devices: { '0000:03:00.0': { resetMethods: [] } } },
      'warning',
      /knows no way to reset it/,
    ],
    [
      'a Polaris card without the module for it',
      { guests: { win11: card }, devices: { '0000:03:00.0': { device: '67df' } } },
      'warning',
      /this AMD card \(Polaris 10\) often does not come back/,
      /^modprobe vendor-reset$/,
    ],
    [
      'a Polaris card with the module for it, whose method is set by hand',
      {
        guests: { win11: card },
        devices: { '0000:03:00.0': { device: '67df', resetMethods: ['device_specific', 'bus'] } },
      },
      'ok',
      /can be reset/,
    ],
    [
      'a Polaris card with the module for it, which nobody asks',
      {
        guests: { win11: card },
        devices: { '0000:03:00.0': { device: '67df' } },
        files: { '/sys/module/vendor_reset/refcnt': '0\n' },
      },
      'warning',
      /^the module vendor-reset is loaded, and is not asked: this card \(Polaris 10\) has bus in reset_method$/,
      /reset: \[device_specific\]/,
    ],
    [
      'a Polaris card with the module for it, which the configuration asks',
      {
        guests: { win11: card },
        devices: { '0000:03:00.0': { device: '67df' } },
        files: { '/sys/module/vendor_reset/refcnt': '0\n' },
        config: asksVendorReset,
      },
      'ok',
      /can be reset/,
    ],
    [
      'a Polaris card that the configuration wants reset by a module that is not loaded',
      {
        guests: { win11: card },
        devices: { '0000:03:00.0': { device: '67df' } },
        config: asksVendorReset,
      },
      'warning',
      /often does not come back/,
      /^modprobe vendor-reset$/,
    ],
  ],
  'nvidia-holders': [
    ['no card of NVIDIA', { guests: { win11: card } }, 'ok', /no assigned card/],
    ['nobody', { host: 'nvidia-desktop', guests: { win11: nvidiaCard } }, 'ok', /no daemon and no modeset/],
    [
      'the persistence daemon',
      {
        host: 'nvidia-desktop',
        guests: { win11: nvidiaCard },
        files: { '/proc/901/comm': 'nvidia-persiste\n' },
      },
      'warning',
      /nvidia-persistenced runs/,
      /^systemctl stop nvidia-persistenced\.service$/,
    ],
    [
      'the persistence daemon, whose unit is known',
      {
        host: 'nvidia-workstation',
        guests: { win11: nvidiaCard, other: otherNvidiaCard },
        files: { '/proc/901/comm': 'nvidia-persiste\n' },
      },
      'ok',
      /^nvidia-persistenced\.service runs: .*; nvidia_drm has modeset on: it is unloaded/,
    ],
    [
      'modeset, and a card that stays',
      { host: 'nvidia-workstation', guests: { win11: nvidiaCard } },
      'warning',
      /keeps 0000:01:00\.0 open by itself, and cannot be unloaded while 0000:02:00\.0 stays/,
      /modeset=0/,
    ],
    [
      'modeset that was turned on by hand',
      {
        host: 'nvidia-workstation',
        guests: { win11: nvidiaCard, other: otherNvidiaCard },
        files: { '/etc/modprobe.d/nvidia.conf': '' },
      },
      'warning',
      /comes back with what its driver takes by default$/,
      /modeset=1/,
    ],
  ],
  'vgpu-driver': [
    ['not loaded', {}, 'ok', /not loaded/],
    [
      'loaded, nobody wants a vGPU',
      { files: { '/sys/module/nvidia/version': '510.47.03\n' } },
      'ok',
      /without mediated/,
    ],
    [
      'a version without reports',
      { guests: { win11: mdev }, files: { '/sys/module/nvidia/version': '550.54.10\n' } },
      'ok',
      /^nvidia 550\.54\.10$/,
    ],
    ...['510.47.03', '460.27.04', '460.91.03', '470.63.01'].map((version): Row => [
      `version ${version}, of which there is no report`,
      { guests: { win11: mdev }, files: { '/sys/module/nvidia/version': `${version}\n` } },
      'ok',
      /^nvidia \d/,
    ]),
    ...['460.32.01', '460.32.04', '460.73.04'].map((version): Row => [
      `version ${version}`,
      {
        guests: { win11: mdev },
        files: {
          '/proc/driver/nvidia/version': `NVRM version: NVIDIA UNIX x86_64 Kernel Module  ${version}  Thu Jan 1\n`,
        },
      },
      'warning',
      /second mediated device.*mended in 510/,
      /install version 510 or later/,
    ]),
  ],
  'vgpu-usb': [
    ['a mediated device alone', { guests: { win11: mdev } }, 'ok', /no guest has both/],
    ['with USB devices', { guests: { win11: mdevAndUsb } }, 'warning', /USB hubs/],
    [
      'with a USB controller',
      { guests: { win11: mdev.replace('</devices>', `${hostdev('0000:0f:00.3')}</devices>`) } },
      'warning',
      /USB hubs, controllers/,
    ],
  ],
  'merged-drivers': [
    ['a desktop', {}, 'ok', /^nothing is reported of the drivers in use$/],
    [
      'a guest with a mediated device where all is amdgpu’s',
      { guests: { win11: mdev } },
      'warning',
      /amdgpu, which has 0000:03:00.0, makes none: .* irqfd and ioeventfd/,
      /assign the card as a whole/,
    ],
    [
      'virtual functions of i915',
      {
        host: 'intel-gvt-g',
        devices: { '0000:00:02.0': { sriov: sriov() } },
      },
      'warning',
      /i915 offers 4 virtual functions, which no i915 of kernel.org does/,
      /enable_guc=3/,
    ],
  ],
  'vgpu-services': [
    ['no such host', {}, 'ok', /no virtual function is one/],
    ['all is well', { host: 'nvidia-vgpu-server' }, 'ok', /nothing is missing for 0000:41:00.0/],
    [
      'a service that does not run',
      {
        host: 'nvidia-vgpu-server',
        files: { '/sys/fs/cgroup/system.slice/nvidia-vgpu-mgr.service/cgroup.procs': '' },
      },
      'failure',
      /nvidia-vgpu-mgr does not run/,
      /^systemctl start nvidia-vgpu-mgr/,
    ],
    [
      'a card that offers no types',
      {
        host: 'nvidia-vgpu-server',
        happened: withoutVgpuTypes,
      },
      'warning',
      /it offers no vGPU types/,
      /nvidia-vgpud/,
    ],
    [
      'a GPU instance that nothing runs on',
      {
        host: 'nvidia-vgpu-server',
        files: instances('gi1', 'gi1/ci0', 'gi2', 'gi13'),
        happened: withoutVgpuTypes,
      },
      'warning',
      /it is in MIG mode with 3 GPU instances, of which 2, 13 have no compute instance, and offers no vGPU types/,
      /^nvidia-smi mig -cci -gi 2,13 -i 0000:41:00.0$/,
    ],
    [
      'GPU instances of which the driver makes nothing',
      {
        host: 'nvidia-vgpu-server',
        files: instances('gi1', 'gi1/ci0'),
        happened: withoutVgpuTypes,
      },
      'warning',
      /it is in MIG mode with 1 GPU instance, and offers no vGPU types/,
      /^systemctl restart nvidia-vgpud/,
    ],
  ],
  'vgpu-sizes': [
    ['nobody', { host: 'nvidia-vgpu-server' }, 'ok', /no two guests/],
    [
      'one size',
      {
        host: 'nvidia-vgpu-server',
        guests: twoGuests,
        config: { vgpu: vgpus('NVIDIA L40S-8Q', 'L40S-8Q') },
      },
      'ok',
      /no two guests/,
    ],
    [
      'two sizes',
      {
        host: 'nvidia-vgpu-server',
        guests: twoGuests,
        config: { vgpu: vgpus('L40S-8Q', 'L40S-12Q') },
      },
      'warning',
      /"a" wants L40S-8Q, "b" wants L40S-12Q: a card has one size at a time/,
      /^nvidia-smi vgpu -shm 1 -i 0000:41:00.0$/,
    ],
    [
      'two sizes, on GPU instances',
      {
        host: 'nvidia-vgpu-server',
        files: instances('gi1', 'gi2'),
        guests: twoGuests,
        config: { vgpu: vgpus('L40S-8Q', 'L40S-12Q') },
      },
      'ok',
      /no two guests/,
    ],
  ],
  'sriov-power': [
    ['none', {}, 'ok', /there are none/],
    ['awake', { devices: { '0000:03:00.0': { sriov: sriov() } } }, 'ok', /awake/],
    [
      'asleep',
      {
        devices: { '0000:03:00.0': { sriov: sriov(), driver: 'amdgpu' } },
        happened: async (s) => {
          s.happens({ do: 'load', module: 'vfio_pci' });
          await s.moveByHand('0000:03:00.0', 'vfio-pci');
        },
      },
      'warning',
      /it is in D3hot/,
      /^echo on > .*power\/control$/,
    ],
  ],
  'sriov-functions': [
    ['none', {}, 'ok', /there are none/],
    ['some, and nothing wanted of them', { host: 'sriov-nic' }, 'ok', /^0000:17:00\.0, 0000:17:00\.1$/],
    [
      'some that the driver of the card does not make',
      {
        host: 'mi300x-gim',
        devices: { '0000:05:00.0': { sriov: sriov() } },
        config: { sriov: [{ pf: pci('0000:05:00.0'), vfs: 2, autoprobe: false }] },
      },
      'failure',
      /config\.yaml wants 2 virtual functions of it, and the driver gim makes them when its module is loaded/,
      /vf_num of module gim/,
    ],
    [
      'some of a card whose interface is down',
      { host: 'sriov-nic', config: { sriov: [{ pf: pci('0000:17:00.1'), vfs: 2, autoprobe: false }] } },
      'warning',
      /its interface enp23s0f1 is down/,
      /^ip link set dev enp23s0f1 up$/,
    ],
    [
      'some of a card that is a switch',
      {
        host: 'mlx5-nic',
        devices: { '0000:42:00.0': { entries: switchEntries() } },
        config: {
          sriov: [
            { pf: pci('0000:42:00.0'), autoprobe: false, functions: [{ vf: 0, scope: 'all', vlan: 3 }] },
          ],
        },
      },
      'warning',
      /it is in switchdev mode/,
      /devlink dev eswitch show pci\/0000:42:00\.0/,
    ],
  ],
};

function switchEntries(): Readonly<Record<string, string>> {
  const { entries = {} } =
    machineSpec('mlx5-nic').devices.find(({ address }) => address === '0000:42:00.0') ?? {};
  return { ...entries, 'net/enp66s0f0np0/phys_switch_id': 'a8c3b20003ebec08\n' };
}

function sriov() {
  return { totalVfs: 4, numVfs: 0, offset: 0x80, stride: 2, vfDevice: '7461', vfBars: [] };
}

/** The first card's functions offer nothing. */
function withoutVgpuTypes(s: Scenario): void {
  s.machine.store.update((state) => {
    const sriov = state.spec.devices.find(({ address }) => address === '0000:41:00.0')?.sriov;
    for (const device of Object.values(state.devices))
      if (device.spec.address === '0000:41:00.0' && sriov?.vgpu)
        Object.assign(device, {
          spec: { ...device.spec, sriov: { ...sriov, vgpu: { ...sriov.vgpu, types: [] } } },
        });
  });
}

/** GPU and compute instances of the first card, as its driver lists them. */
function instances(...places: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    places.map((place) => [
      `/proc/driver/nvidia/capabilities/gpu0/mig/${place}/access`,
      'DeviceFileMinor: 3\n',
    ]),
  );
}

function vgpus(first: string, second: string): Config['vgpu'] {
  return [
    { vf: pci('0000:41:00.4'), type: first },
    { vf: pci('0000:41:00.5'), type: second },
  ];
}

describe('doctor', () => {
  const scenario = scenarios();

  async function findingsIn(id: Id, situation: Situation): Promise<readonly Finding[]> {
    const on = scenario(machineOf(situation));
    await situation.happened?.(on);
    const journal = on.machine.journal().length;
    const findings = await examine({ [id]: checks[id] }, examinationOf(on, situation));
    assert.equal(on.machine.journal().length, journal, 'a check has changed something');
    return findings;
  }

  for (const id of Object.keys(table) as Id[]) {
    describe(id, () => {
      for (const [sentence, situation, verdict, found, fix] of table[id]) {
        it(`${verdict}: ${sentence}`, async () => {
          const findings = await findingsIn(id, situation);
          const texts = findings.map((finding) => `${finding.verdict}: ${finding.found}`);
          const match = findings.find((finding) => finding.verdict === verdict && found.test(finding.found));
          assert.ok(match, `expected ${verdict} ${String(found)}, found ${texts.join(' | ')}`);
          const fixes = match.fix.map((each) => each.text);
          if (fix)
            assert.ok(
              fixes.some((text) => fix.test(text)),
              `no ${String(fix)} in ${fixes.join(' | ')}`,
            );
          if (verdict === 'warning' || verdict === 'failure') {
            assert.ok(match.fix.length > 0, 'it does not say what to do');
          } else {
            assert.ok(
              findings.every((each) => each.verdict === verdict),
              texts.join(' | '),
            );
          }
          for (const finding of findings) wellFormed(finding);
        });
      }

      it('is shown on a machine where it is well and on one where it is not', () => {
        const verdicts = new Set(table[id].map(([, , verdict]) => verdict));
        assert.ok(verdicts.has('ok'));
        assert.ok(verdicts.has('warning') || verdicts.has('failure'));
      });
    });
  }

  it('finds nothing on a machine where everything is well', async () => {
    const on = scenario(machineOf({ guests: { win11: card } }));
    const findings = await examine(checks, examinationOf(on, {}));
    assert.deepEqual(
      findings.filter(({ verdict }) => verdict !== 'ok').map(({ id, found }) => `${id}: ${found}`),
      [],
    );
    assert.deepEqual([...new Set(findings.map(({ id }) => id))], Object.keys(checks));
  });

  for (const held of [false, true]) {
    it(`a write that waits is said once, with what helps: ${held ? 'who has the device open' : 'nobody is known'}`, async () => {
      const situation = {
        guests: { win11: card, other: card },
        config: { timeouts: { kernelWrite: 50, run: 100, lock: 50, script: 50 } },
      };
      const s = scenario(machineOf(situation));
      s.fault({ kind: 'hang' }, { path: '*/snd_hda_intel/unbind' });
      await s.prepare(domainOf(card)).catch(() => undefined);
      if (held) {
        s.wrapHost = (host) => ({
          ...host,
          holders: (paths) => (paths.length > 0 ? [{ pid: 77, name: 'aplay', path: paths[0] ?? '' }] : []),
        });
      }
      const on = examinationOf(s, situation);
      const host = s.wrapHost(s.machine.host());
      const wanted = {
        claims: checks.claims,
        'blocked-writes': checks['blocked-writes'],
        guests: checks.guests,
      };
      const findings = await examine(wanted, { ...on, host, engine: { ...on.engine, host } });
      const bad = findings.filter(({ verdict }) => verdict !== 'ok' && verdict !== 'unknown');
      assert.deepEqual(
        bad.map(({ id, fix }) => [id, fix]),
        [
          [
            'blocked-writes',
            [
              {
                kind: 'advice',
                text: held
                  ? 'end the program that has the device open, then: vfio-hook recover'
                  : 'nobody is known who has the device open: if the write does not return by itself, restart the host',
              },
            ],
          ],
        ],
      );
      assert.equal((bad[0]?.found ?? '').endsWith(', and the device is open in "aplay" (pid 77)'), held);
      assert.deepEqual(
        findings.filter(({ id }) => id === 'guests').map(({ found }) => found),
        Array(2).fill('not judged while a kernel write for one of its devices has not returned'),
      );
    });
  }

  it('a kernel that was updated while it ran has no modules to load', async () => {
    const on = examinationOf(scenario(machineOf({})), {});
    const host = {
      ...on.host,
      list: (path: string) => (path.startsWith('/lib/modules/') ? undefined : on.host.list(path)),
    };
    const [finding] = await examine({ 'vfio-modules': checks['vfio-modules'] }, { ...on, host });
    assert.equal(finding?.verdict, 'failure');
    assert.match(finding.found, /6\.12\.117\+deb13-amd64 are gone .*: the kernel was updated/);
    assert.deepEqual(finding.fix, [{ kind: 'command', text: 'systemctl reboot' }]);
  });

  it('a kernel without the modules', async () => {
    const on = examinationOf(scenario(machineOf({})), {});
    const host = {
      ...on.host,
      read: (path: string) => (path.startsWith('/lib/modules/') ? '' : on.host.read(path)),
    };
    const [finding] = await examine({ 'vfio-modules': checks['vfio-modules'] }, { ...on, host });
    assert.equal(finding?.verdict, 'failure');
    assert.match(finding.found, /has no module vfio-pci and vfio-iommu-type1$/);
  });

  it('says what it could not see, and goes on', async () => {
    const on = scenario(machineOf({}));
    const examination = examinationOf(on, {});
    const denied = (path: string): never => {
      throw Object.assign(new Error(`EACCES: permission denied, scandir '${path}'`), {
        code: 'EACCES',
        path,
      });
    };
    const findings = await examine(checks, {
      ...examination,
      guests: () => denied('/etc/libvirt/qemu'),
    });
    const unseen = findings.filter(({ verdict }) => verdict === 'unknown');
    assert.ok(unseen.length >= 5);
    for (const { found, fix } of unseen) {
      assert.equal(found, 'cannot look at /etc/libvirt/qemu: EACCES');
      assert.deepEqual(fix, [{ kind: 'advice', text: 'run the same command as root' }]);
    }
  });

  it('lets a fault of its own through', async () => {
    const broken = {
      title: 'broken',
      run: () => {
        throw new TypeError('a fault');
      },
    };
    const on = examinationOf(scenario(machineOf({})), {});
    await assert.rejects(examine({ broken }, on), TypeError);
  });
});
