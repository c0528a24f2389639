import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { readFeatures } from '../../src/domain/features.ts';
import { parseDomain } from '../../src/domain/parse.ts';
import { examine } from '../../src/doctor/examine.ts';
import type { Finding, Verdict } from '../../src/doctor/finding.ts';
import { readGuestXml } from '../../src/doctor/guests.ts';
import { cliquesOf } from '../../src/doctor/lint/gpudirect.ts';
import { guestExamination } from '../../src/doctor/lint/guest-examination.ts';
import { lints } from '../../src/doctor/lint/lints.ts';
import type { CardRule } from '../../src/config/config.ts';
import { machineSpec, pci, scenarios } from '../scenario.ts';
import { wellFormed } from './well-formed.ts';
import { domainXml, examinationOf, hostdev, machineOf, type GuestText, type Situation } from './machine.ts';

type Id = keyof typeof lints;
type Row = readonly [
  sentence: string,
  xml: GuestText,
  verdict: Verdict,
  found: RegExp,
  options?: { readonly on?: Situation; readonly fix?: RegExp },
];

const seen = (slot: string, fn: number, more = ''): string =>
  `<address type='pci' domain='0x0000' bus='0x05' slot='0x${slot}' function='0x${fn}'${more}/>`;
const navi = hostdev('0000:03:00.0');
const sound = hostdev('0000:03:00.1');
const both = navi + sound;
const windows = '<features><hyperv><relaxed state="on"/></hyperv></features>';
const named = "<features><hyperv><vendor_id state='on' value='abc'/></hyperv></features>";
const libosinfo = (id: string): string =>
  `<metadata><libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0"><libosinfo:os id="${id}"/></libosinfo:libosinfo></metadata>`;
const nvidia: Situation = { host: 'nvidia-desktop' };
const server: Situation = { host: 'server-8-gpu' };
const arc: Situation = { host: 'intel-arc' };
const smallArc: Situation = {
  ...arc,
  devices: {
    '0000:03:00.0': {
      bars: (
        machineSpec('intel-arc').devices.find(({ address }) => address === '0000:03:00.0')?.bars ?? []
      ).map((bar) => (bar.index === 2 ? { ...bar, size: 256 * 2 ** 20 } : bar)),
    },
  },
};
const barRule = (mib: number) => ({
  match: { by: 'address' as const, address: pci('0000:03:00.0') },
  bars: new Map([[2, mib * 2 ** 20]]),
});
const turing = ['0', '1', '2', '3'].map((fn) => hostdev(`0000:01:00.${fn}`)).join('');
const QEMU = " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'";
const commandline = (...values: readonly string[]): string =>
  `<qemu:commandline>${values.map((value) => `<qemu:arg value='${value}'/>`).join('')}</qemu:commandline>`;
/** Shared memory of Looking Glass. */
const looking = (size = '64M'): GuestText => ({
  attributes: QEMU,
  inside: commandline(
    '-object',
    `memory-backend-file,id=looking-glass,mem-path=/dev/kvmfr0,size=${size},share=yes`,
  ),
});
const JSON_MEMORY =
  '{"qom-type":"memory-backend-file","id":"looking-glass","mem-path":"/dev/kvmfr0","size":67108864,"share":true}';
const ACL = 'cgroup_device_acl = [\n  "/dev/null", "/dev/kvm",\n  "/dev/kvmfr0"\n]\n';
const APPARMOR = { '/proc/812/attr/current': 'libvirtd (enforce)\n' };
/** A host with it, which all may open. */
const kvmfr = (
  files: NonNullable<Situation['files']> = {},
  node: NonNullable<Situation['facts']>[string] = { mode: 0o660, uid: 64055, gid: 64055 },
): Situation => ({
  files: {
    '/dev/kvmfr0': '',
    '/etc/modprobe.d/kvmfr.conf': 'options kvmfr static_size_mb=64\n',
    '/etc/libvirt/qemu.conf': ACL,
    '/etc/passwd':
      'root:x:0:0:root:/root:/bin/bash\nme:x:1000:1000::/home/me:/bin/bash\nlibvirt-qemu:x:64055:104::/var/lib/libvirt:/bin/false\n',
    '/etc/group': 'root:x:0:\nkvm:x:104:\nother:x:105:\n',
    ...files,
  },
  facts: { '/dev/kvmfr0': node },
});
const vfio = commandline('-device', 'vfio-pci,host=03:00.0');
const limit = (kib: number): string => `<memtune><hard_limit unit='KiB'>${kib}</hard_limit></memtune>`;
const blockDisk = (path: string): string =>
  `<disk type='block' device='disk'><source dev='${path}'/><target dev='vdb' bus='virtio'/></disk>`;
const libvirt = (number: string): Situation['files'] & object => ({
  '/usr/lib/x86_64-linux-gnu/libvirt.so.0': `-> /usr/lib/x86_64-linux-gnu/libvirt.so.0.${number}`,
});
/** modules.alias as depmod writes it for a driver that takes the network card of the machine. */
const variant = (number: string): Situation => ({
  machine: {
    modules: [
      {
        name: 'igc_vfio_pci',
        depends: [],
        softDepends: [],
        builtin: false,
        loaded: false,
        parameters: {},
        aliases: ['vfio_pci:v00008086d000015F3sv*sd*bc*sc*i*'],
      },
    ],
  },
  files: libvirt(number),
});
const slice = (number: number): string =>
  `<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='83b8f4f2-509f-382f-3c1e-e6bfe0fa100${number}'/></source></hostdev>`;
const gvtG: Situation = {
  host: 'intel-gvt-g',
  config: {
    mdev: [1, 2].map((number) => ({
      uuid: `83b8f4f2-509f-382f-3c1e-e6bfe0fa100${number}`,
      parent: 'auto',
      type: 'GVTg_V5_8',
      attributes: [],
    })),
  },
};
const nic = hostdev('0000:05:00.0');
const vgpuSlice = (managed: string): string => hostdev('0000:41:00.4', '', managed);
const vgpuHost: Situation = { host: 'nvidia-vgpu-server' };
const typed: Situation = { ...vgpuHost, config: { vgpu: [{ vf: pci('0000:41:00.4'), type: 'L40S-8Q' }] } };
/** The display card of the host has virtual functions: in its own slot, as those of Intel are. */
const displayWithVfs: Situation = {
  host: 'laptop-hybrid',
  devices: {
    '0000:00:02.0': {
      sriov: { totalVfs: 7, numVfs: 2, offset: 1, stride: 1, vfDevice: '46a6', vfBars: [] },
    },
  },
};
const machineType = (type: string): string => `<os><type arch='x86_64' machine='${type}'>hvm</type></os>`;

function interfaceXml(address: string): string {
  const [, bus, slot, fn] = /:(..):(..)\.(.)$/.exec(address) ?? [];
  return `<interface type='hostdev' managed='yes'><source><address type='pci' domain='0x0000' bus='0x${bus ?? ''}' slot='0x${slot ?? ''}' function='0x${fn ?? ''}'/></source></interface>`;
}

/** A network card of two ports, of which the first has functions. */
function nicHost(card?: CardRule, state: 'up' | 'down' = 'up'): Situation {
  const { entries = {}, sriov } =
    machineSpec('sriov-nic').devices.find(({ address }) => address === '0000:17:00.0') ?? {};
  const flags = { 'net/enp23s0f0/flags': state === 'up' ? '0x1003\n' : '0x1002\n' };
  return {
    host: 'sriov-nic',
    devices: { '0000:17:00.0': { entries: { ...entries, ...flags }, ...(sriov && { sriov }) } },
    ...(card && { config: { sriov: [card] } }),
  };
}

/** For each piece of advice at least one guest that needs none, and one that does. */
const table: Readonly<Record<Id, readonly Row[]>> = {
  'xml-devices': [
    ['they are there', { devices: both }, 'ok', /this host has 0000:03:00\.0, 0000:03:00\.1/],
    ['none is assigned', {}, 'ok', /assigns no PCI device/],
    [
      'one is there once the guest starts',
      { devices: hostdev('0000:17:0a.0') },
      'ok',
      /^0000:17:0a\.0 will be made when the guest starts$/,
      { on: nicHost({ pf: pci('0000:17:00.1'), vfs: 4, autoprobe: false }) },
    ],
    [
      'one is not there',
      { devices: both + hostdev('0000:7f:00.0') },
      'unknown',
      /does not have 0000:7f:00\.0: the XML is judged without/,
    ],
  ],
  'xml-companions': [
    ['the whole card', { devices: both }, 'ok', /as a whole/],
    [
      'graphics without its sound',
      { devices: navi },
      'warning',
      /belongs to an assigned graphics card/,
      { fix: /function='0x1'/ },
    ],
    [
      'a device that shares the group',
      { devices: hostdev('0000:05:01.0') },
      'warning',
      /shares IOMMU group 15 with an assigned device/,
      { on: { host: 'lab-q35' }, fix: /slot='0x02'/ },
    ],
    ['a device that is not there', { devices: hostdev('0000:7f:00.0') }, 'unknown', /without the devices/],
    [
      "the graphics and the sound of a processor, beside whose graphics are the host's own USB controllers",
      { devices: hostdev('0000:0f:00.0') + hostdev('0000:0f:00.1') },
      'ok',
      /as a whole/,
    ],
    [
      "a virtual function of the host's display: its card and the other ones stay with the host",
      { devices: hostdev('0000:00:02.1') },
      'ok',
      /as a whole/,
      { on: displayWithVfs },
    ],
    [
      'two of them',
      { devices: hostdev('0000:00:02.1') + hostdev('0000:00:02.2') },
      'ok',
      /as a whole/,
      { on: displayWithVfs },
    ],
  ],
  'xml-multifunction': [
    [
      'one slot, as it should be',
      {
        devices:
          hostdev('0000:03:00.0', seen('00', 0, " multifunction='on'")) +
          hostdev('0000:03:00.1', seen('00', 1)),
      },
      'ok',
      /as on the host/,
    ],
    ['addresses that libvirt will choose', { devices: both }, 'ok', /chosen by libvirt/],
    [
      'two slots',
      { devices: hostdev('0000:03:00.0', seen('01', 0)) + hostdev('0000:03:00.1', seen('02', 0)) },
      'warning',
      /in different slots/,
      {
        fix: /slot='0x01' function='0x0' multifunction='on'\/> <!-- 0000:03:00\.0 -->\n.*slot='0x01' function='0x1'/,
      },
    ],
    [
      'one slot without multifunction',
      { devices: hostdev('0000:03:00.0', seen('01', 0)) + hostdev('0000:03:00.1', seen('01', 1)) },
      'failure',
      /QEMU refuses the others/,
    ],
  ],
  'xml-rom': [
    ['a second card', { devices: both }, 'ok', /nothing to say/],
    [
      'the card of the firmware',
      { devices: hostdev('0000:0f:00.0') },
      'warning',
      /firmware started the host on this card/,
      { fix: /<rom file=/ },
    ],
    [
      'a file that is not there',
      { devices: hostdev('0000:03:00.0', "<rom file='/usr/share/vgabios/none.rom'/>") },
      'failure',
      /ROM file \/usr\/share\/vgabios\/none\.rom is not there/,
    ],
    [
      'a file that is there',
      { devices: hostdev('0000:0f:00.0', "<rom file='/usr/share/vgabios/card.rom'/>") },
      'ok',
      /nothing/,
      { on: { files: { '/usr/share/vgabios/card.rom': '' } } },
    ],
    [
      'switched off',
      { devices: hostdev('0000:03:00.0', "<rom bar='off'/>") + sound },
      'warning',
      /shows nothing on it before the driver/,
      { fix: /<rom bar='on'\/>/ },
    ],
  ],
  'xml-code-43-nvidia': [
    ['no such card', { devices: both }, 'ok', /no NVIDIA/],
    ['a card for computing', { devices: hostdev('0000:19:00.0') }, 'ok', /no NVIDIA/, { on: server }],
    [
      'a guest that shows what it is',
      { devices: turing, inside: windows },
      'warning',
      /before version 465.*has Windows by its Hyper-V features/,
      { on: nvidia, fix: /<hidden state='on'\/>[^]*<features><hyperv>\n<vendor_id/ },
    ],
    [
      'a guest that shows it and has nothing of Hyper-V',
      { devices: turing, inside: libosinfo('http://microsoft.com/win/10') },
      'warning',
      /has Windows by its libosinfo metadata/,
      { on: nvidia, fix: /<features>\n<hyperv>\n {2}<vendor_id state='on' value='\w{12}'\/>\n<\/hyperv>/ },
    ],
    [
      'a guest of which nothing is said',
      { devices: turing, inside: "<features><kvm><hidden state='on'/></kvm></features>" },
      'warning',
      /the XML does not say whether the guest has Windows/,
      { on: nvidia, fix: /<features>\n<hyperv>\n {2}<vendor_id/ },
    ],
    [
      'a guest with Linux',
      { devices: turing, inside: libosinfo('http://debian.org/debian/13') + windows },
      'ok',
      /another system than Windows/,
      { on: nvidia },
    ],
    [
      'a guest that hides it',
      {
        devices: turing,
        inside:
          "<features><hyperv><vendor_id state='on' value='abc'/></hyperv><kvm><hidden state='on'/></kvm></features>",
      },
      'ok',
      /does not show/,
      { on: nvidia },
    ],
  ],
  'xml-code-43-amd': [
    ['a guest of which nothing is said', { devices: both }, 'ok', /nothing in the XML says/],
    [
      'a guest with Linux',
      { devices: both, inside: libosinfo('http://archlinux.org/archlinux/rolling') },
      'ok',
      /another system than Windows/,
    ],
    [
      'Windows, and a large BAR 2',
      { devices: both, inside: windows },
      'warning',
      /ends with code 43 when it sees a hypervisor, and while BAR 2 is larger than 8 MiB \(it is 256 MiB, .*\); the guest has Windows by its Hyper-V features$/,
      {
        fix: /^<features><hyperv>\n<vendor_id [^]*devices:\n {2}- match: "0000:03:00\.0"\n {4}bars:\n {6}2: 8MiB/,
      },
    ],
    [
      'Windows by its clock, whose hypervisor has a name of its own',
      {
        devices: both,
        inside: `${named}<clock offset='localtime'/>${libosinfo('http://libosinfo.org/unknown')}`,
      },
      'warning',
      /ends with code 43 while BAR 2 is larger/,
      { fix: /^\/etc\S+\ndevices:/ },
    ],
    [
      'Windows, a large BAR 2 and a card of RDNA 2',
      { devices: both, inside: windows },
      'warning',
      /RDNA 2 and 3 report.*BAR 2 is larger than 8 MiB/,
      { on: { devices: { '0000:03:00.0': { device: '73df' } } } },
    ],
    [
      'Windows, and a BAR 2 that is small: the name of the hypervisor is left',
      { devices: both, inside: windows },
      'warning',
      /ends with code 43 when it sees a hypervisor; /,
      {
        on: {
          devices: { '0000:03:00.0': { bars: [{ index: 2, size: 2 ** 21, kind: 'pref64', sizes: [] }] } },
        },
        fix: /^<features><hyperv>\n<vendor_id [^\n]+$/,
      },
    ],
    [
      'Windows with both cures',
      { devices: both, inside: named },
      'ok',
      /the configuration makes it so/,
      {
        on: {
          config: {
            devices: [{ match: { by: 'class', word: 'vga' }, bars: new Map([[2, 2 ** 23]]) }],
          },
        },
      },
    ],
    [
      'a card of Vega',
      { devices: both, inside: windows },
      'ok',
      /no Radeon card of RDNA 2 or 3/,
      { on: { devices: { '0000:03:00.0': { device: '687f' } } } },
    ],
    ['another card', { devices: turing, inside: windows }, 'ok', /no Radeon card/, { on: nvidia }],
  ],
  'xml-intel-bars': [
    ['a card of another maker', { devices: both }, 'ok', /no Intel card with memory of its own/],
    ['all of the memory behind BAR 2', { devices: navi }, 'ok', /all of the memory/, { on: arc }],
    [
      'firmware that has left BAR 2 small',
      { devices: navi },
      'warning',
      /behind BAR 2, which is 256 MiB of 16 GiB: the guest can make it no larger/,
      { on: smallArc, fix: /devices:\n {2}- match: "0000:03:00\.0"\n {4}bars:\n {6}2: 16GiB/ },
    ],
    [
      'a configuration that makes it small',
      { devices: navi },
      'warning',
      /which the configuration makes 256 MiB of 16 GiB/,
      { on: { ...arc, config: { devices: [barRule(256)] } } },
    ],
    [
      'a configuration that makes it large',
      { devices: navi },
      'ok',
      /all of the memory/,
      { on: { ...smallArc, config: { devices: [barRule(16 * 1024)] } } },
    ],
  ],
  'xml-managed': [
    ['yes', { devices: both }, 'ok', /^yes: vfio-hook moves the whole group/],
    ['no', { devices: hostdev('0000:03:00.0', '', 'no') }, 'ok', /^no: vfio-hook does all of it/],
    [
      'both in one card',
      { devices: navi + hostdev('0000:03:00.1', '', 'no') },
      'warning',
      /functions of 0000:03:00 have managed='yes' and managed='no'/,
    ],
  ],
  'xml-variant': [
    ['no driver of its own', { devices: both }, 'ok', /none is missing/],
    ['libvirt chooses it', { devices: nic }, 'ok', /none/, { on: variant('11003.0') }],
    [
      'libvirt takes it but does not choose it',
      { devices: nic },
      'warning',
      /has the driver igc_vfio_pci for it, and libvirt 9\.8\.0 does not choose/,
      { on: variant('9008.0'), fix: /driver: igc_vfio_pci/ },
    ],
    [
      'libvirt takes nothing but vfio-pci',
      { devices: nic },
      'warning',
      /before 9\.7 libvirt takes no other driver/,
      { on: variant('9000.0') },
    ],
    [
      'a model that libvirt does not read',
      { devices: hostdev('0000:05:00.0', "<driver model='igc_vfio_pci'/>") },
      'warning',
      /asks for the driver "igc_vfio_pci", which libvirt 9\.0\.0 does not read/,
      { on: variant('9000.0') },
    ],
  ],
  'xml-vgpu': [
    ['no such function', { devices: both }, 'ok', /^none$/],
    [
      'one that stays where it is',
      { devices: vgpuSlice('no') },
      'ok',
      /managed='no', and a type is known/,
      { on: typed },
    ],
    [
      'one that libvirt would take away',
      { devices: vgpuSlice('yes') },
      'failure',
      /managed='yes': libvirt would take the function/,
      { on: typed, fix: /managed='no'/ },
    ],
    [
      'an old libvirt',
      { devices: vgpuSlice('no') },
      'failure',
      /^libvirt 9\.6\.0 takes no function/,
      { on: { ...typed, files: libvirt('9006.0') }, fix: /9\.7 or later/ },
    ],
    [
      'nothing on it',
      { devices: vgpuSlice('no') },
      'failure',
      /there is no vGPU on it/,
      { on: vgpuHost, fix: /vgpu: \[\{ vf: "0000:41:00\.4"/ },
    ],
  ],
  'xml-commandline': [
    ['none', { devices: both }, 'ok', /^none$/],
    [
      'one',
      { inside: vfio, attributes: QEMU },
      'warning',
      /libvirt knows nothing of it/,
      { fix: /<hostdev mode='subsystem' type='pci' managed='yes'>/ },
    ],
  ],
  'xml-kvmfr': [
    ['no shared memory', { devices: both }, 'ok', /^the XML uses no \/dev\/kvmfr$/],
    [
      'memory whose module is not loaded',
      looking(),
      'failure',
      /^there is no \/dev\/kvmfr0, since the module kvmfr is not loaded/,
      { on: kvmfr({ '/dev/kvmfr0': null }), fix: /modules: \{load: \[kvmfr\]\}/ },
    ],
    [
      'a module that has made none',
      looking(),
      'failure',
      /loaded and has made no \/dev\/kvmfr0/,
      { on: kvmfr({ '/dev/kvmfr0': null, '/sys/module/kvmfr/': '' }), fix: /modprobe -r kvmfr/ },
    ],
    ['memory that QEMU may open', looking(), 'ok', /^it is there, and QEMU may open it$/, { on: kvmfr() }],
    [
      'the same in JSON',
      { attributes: QEMU, inside: commandline('-object', JSON_MEMORY) },
      'ok',
      /^it is there/,
      { on: kvmfr() },
    ],
    [
      'memory that is too small',
      looking('128M'),
      'failure',
      /makes it with 64 MiB, as modprobe\.d says, and the XML wants 128/,
      { on: kvmfr(), fix: /static_size_mb=128/ },
    ],
    [
      'memory that is root’s',
      looking(),
      'failure',
      /QEMU runs as "libvirt-qemu", which may not open it \(mode 600, owner 0, group 0\)/,
      { on: kvmfr({}, { mode: 0o600 }), fix: /OWNER="libvirt-qemu"/ },
    ],
    [
      'memory of a group that QEMU is in',
      looking(),
      'ok',
      /^it is there/,
      { on: kvmfr({}, { mode: 0o660, gid: 104 }) },
    ],
    [
      'memory of another group',
      looking(),
      'failure',
      /group 105\)/,
      { on: kvmfr({}, { mode: 0o660, gid: 105 }) },
    ],
    [
      'QEMU as another user',
      looking(),
      'failure',
      /QEMU runs as "me"/,
      { on: kvmfr({ '/etc/libvirt/qemu.conf': `user = "me"\n${ACL}` }) },
    ],
    [
      'QEMU as root',
      looking(),
      'ok',
      /^it is there/,
      { on: kvmfr({ '/etc/libvirt/qemu.conf': `user = "root"\n${ACL}` }, { mode: 0o600 }) },
    ],
    [
      'no list of devices, or one that is commented out',
      looking(),
      'failure',
      /cgroup_device_acl in \/etc\/libvirt\/qemu\.conf lacks it/,
      {
        on: kvmfr({ '/etc/libvirt/qemu.conf': `#${ACL.replaceAll('\n', '\n#')}` }),
        fix: /"\/dev\/null",[^]*"\/dev\/kvmfr0"/,
      },
    ],
    [
      'a list that keeps what is in it',
      looking(),
      'failure',
      /lacks it/,
      {
        on: kvmfr({ '/etc/libvirt/qemu.conf': 'cgroup_device_acl = [ "/dev/mine" ]' }),
        fix: /"\/dev\/mine",\n {2}"\/dev\/kvmfr0"/,
      },
    ],
    [
      'no control group for devices',
      looking(),
      'ok',
      /^it is there/,
      { on: kvmfr({ '/etc/libvirt/qemu.conf': 'cgroup_controllers = [ "cpu" ]' }) },
    ],
    [
      'AppArmor without a rule',
      looking(),
      'warning',
      /local\/abstractions\/libvirt-qemu does not let QEMU open it/,
      { on: kvmfr(APPARMOR), fix: /\/dev\/kvmfr0 rw,/ },
    ],
    [
      'AppArmor with a rule',
      looking(),
      'ok',
      /^it is there/,
      {
        on: kvmfr({
          ...APPARMOR,
          '/etc/apparmor.d/local/abstractions/libvirt-qemu': '# Looking Glass\n  /dev/kvmfr0 rw,\n',
        }),
      },
    ],
  ],
  'xml-nvme-path': [
    [
      'a disk of a controller that the host keeps',
      { devices: both + blockDisk('/dev/nvme0n1') },
      'ok',
      /^none$/,
    ],
    [
      'a disk of an assigned controller',
      { devices: hostdev('0000:04:00.0') + blockDisk('/dev/nvme0n1') },
      'failure',
      /"\/dev\/nvme0n1" is on 0000:04:00\.0/,
      { fix: /namespace='1'/ },
    ],
    [
      'a disk by its id',
      { devices: hostdev('0000:04:00.0') + blockDisk('/dev/disk/by-id/nvme-x') },
      'failure',
      /is on 0000:04:00\.0/,
      { on: { files: { '/dev/disk/by-id/nvme-x': '-> /dev/nvme0n1' } } },
    ],
  ],
  'xml-iommufd': [
    ['not asked for', { devices: both }, 'ok', /not asked for/],
    [
      'asked for, and not there',
      { devices: hostdev('0000:03:00.0', "<driver iommufd='yes'/>") },
      'failure',
      /has no \/dev\/iommu/,
      { fix: /iommufd='no'/ },
    ],
    [
      'asked for, and there',
      { devices: hostdev('0000:03:00.0', "<driver iommufd='yes'/>") },
      'ok',
      /and there/,
      { on: { files: { '/dev/iommu': '' } } },
    ],
  ],
  'xml-mdev': [
    ['none', {}, 'ok', /assigns none/],
    [
      'nobody knows of it',
      { devices: slice(1) },
      'warning',
      /neither the configuration nor mdevctl says/,
      { fix: /uuid: 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001\n {4}parent: auto/ },
    ],
    ['configured', { devices: slice(1) }, 'ok', /^83b8f4f2/, { on: gvtG }],
    [
      'defined with mdevctl',
      { devices: slice(1) },
      'ok',
      /^83b8f4f2/,
      {
        on: {
          host: 'nvidia-vgpu-mdev',
          files: {
            '/etc/mdevctl.d/0000:41:00.4/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001': '{"mdev_type":"nvidia-593"}',
          },
        },
      },
    ],
  ],
  'xml-gvt-g': [
    ['none', {}, 'ok', /no slice of Intel graphics/],
    ['one', { devices: slice(1) }, 'ok', /one slice, and KVM/, { on: gvtG }],
    [
      'two',
      { devices: slice(1) + slice(2) },
      'failure',
      /it has 2 slices of Intel graphics, and the kernel gives a guest one/,
      { on: gvtG, fix: /keep one of 83b8f4f2-\S+1001, 83b8f4f2-\S+1002/ },
    ],
  ],
  'xml-machine': [
    ['q35', { devices: both, inside: machineType('pc-q35-9.2') }, 'ok', /^pc-q35-9\.2$/],
    ['i440fx', { devices: both, inside: machineType('pc-i440fx-9.2') }, 'warning', /no PCI Express/],
    ['not said', { devices: both }, 'unknown', /does not say/],
  ],
  'xml-memory-lock': [
    ['no limit', { devices: both }, 'ok', /by itself/],
    ['no device', { inside: limit(1) }, 'ok', /no device/],
    ['a limit with room', { devices: both, inside: limit(20 * 2 ** 20) }, 'ok', /leaves room/],
    [
      'a limit that is close',
      { devices: both, inside: limit(16 * 2 ** 20) },
      'warning',
      /may be killed/,
      { fix: /<hard_limit unit='KiB'>17825792</ },
    ],
    [
      'a limit that is less than the memory',
      { devices: both, inside: limit(2 ** 20) },
      'failure',
      /does not start/,
    ],
    ['a device that libvirt does not know', { inside: vfio, attributes: QEMU }, 'warning', /ENOMEM/],
    [
      'the same with locked memory',
      { inside: `<memoryBacking><locked/></memoryBacking>${vfio}`, attributes: QEMU },
      'ok',
      /by itself/,
    ],
  ],
  'xml-mmio-32': [
    ['little', { devices: both }, 'ok', /^they take 2 MiB of about 512 MiB$/],
    [
      'more than OVMF has',
      { devices: both },
      'warning',
      /they take 769 MiB/,
      {
        on: {
          devices: {
            '0000:03:00.1': { bars: [{ index: 0, size: 768 * 2 ** 20, kind: 'mem32', sizes: [] }] },
          },
        },
      },
    ],
    [
      'more than any guest has',
      { devices: both },
      'failure',
      /they take 2049 MiB/,
      {
        on: {
          devices: { '0000:03:00.1': { bars: [{ index: 0, size: 2 ** 31, kind: 'mem32', sizes: [] }] } },
        },
      },
    ],
  ],
  'xml-mmio-64': [
    ['little', { devices: both }, 'ok', /less than the 32 GiB/],
    [
      'two large cards',
      { devices: hostdev('0000:19:00.0') + hostdev('0000:1a:00.0') },
      'warning',
      /they take 257 GiB/,
      { on: server, fix: /maxphysaddr[^]*X-PciMmio64Mb,string=1048576/ },
    ],
    [
      'two large cards, and room for them',
      {
        devices: hostdev('0000:19:00.0') + hostdev('0000:1a:00.0'),
        inside: "<cpu mode='host-passthrough'><maxphysaddr mode='passthrough'/></cpu>",
      },
      'ok',
      /makes room/,
      { on: server },
    ],
  ],
  'xml-functions': [
    ['none', { devices: both }, 'ok', /assigns none/],
    [
      'one of a card of the host',
      { devices: hostdev('0000:17:02.0') },
      'ok',
      /stays with the host/,
      { on: nicHost() },
    ],
    [
      'one that the start makes',
      { devices: hostdev('0000:17:0a.0') },
      'ok',
      /stays with the host/,
      { on: nicHost({ pf: pci('0000:17:00.1'), vfs: 4, autoprobe: false }) },
    ],
    [
      'one together with its card',
      { devices: hostdev('0000:17:02.0') + hostdev('0000:17:00.0') },
      'failure',
      /its card 0000:17:00\.0 is assigned as well/,
      { on: nicHost() },
    ],
    [
      'an interface of a card that is down',
      { devices: interfaceXml('0000:17:02.0') },
      'failure',
      /the interface enp23s0f0 of its card 0000:17:00\.0 is down/,
      { on: nicHost(undefined, 'down'), fix: /^ip link set dev enp23s0f0 up$/ },
    ],
    [
      'an interface',
      { devices: interfaceXml('0000:17:02.0') },
      'ok',
      /stays with the host/,
      { on: nicHost() },
    ],
    [
      'an interface for which an address is configured',
      { devices: interfaceXml('0000:17:02.0') },
      'warning',
      /^mac of the configuration have no effect: it is an <interface>/,
      {
        on: nicHost({
          pf: pci('0000:17:00.0'),
          autoprobe: false,
          functions: [{ vf: 0, scope: 'all', mac: '52:54:00:00:00:42', trust: true }],
        }),
      },
    ],
  ],
  'xml-gpudirect': [
    ['one card', { devices: turing }, 'ok', /fewer than two/, { on: nvidia }],
    [
      'two behind one switch that are older than Turing',
      { devices: hostdev('0000:19:00.0') + hostdev('0000:1a:00.0') },
      'ok',
      /older than Turing.*x-nv-gpudirect-clique/,
      {
        on: {
          ...server,
          devices: { '0000:19:00.0': { device: '1b38' }, '0000:1a:00.0': { device: '1b38' } },
        },
      },
    ],
    [
      'two behind one switch, of which one is older than Turing',
      { devices: hostdev('0000:19:00.0') + hostdev('0000:1a:00.0') },
      'ok',
      /older than Turing/,
      { on: { ...server, devices: { '0000:1a:00.0': { device: '1db4' } } } },
    ],
    [
      'two behind one switch, with a network function before them and an id of their own',
      {
        devices:
          hostdev('0000:19:00.0') +
          `<interface type='hostdev'><source><address type='pci' domain='0' bus='0xb1' slot='0' function='1'/></source></interface>` +
          hostdev('0000:1a:00.0', "<alias name='ua-second'/>") +
          hostdev('0000:4d:00.0'),
      },
      'warning',
      /: 0000:19:00\.0 and 0000:1a:00\.0$/,
      {
        on: server,
        fix: /alias='hostdev1'>\n.*\n.*'x-nv-gpudirect-clique' type='unsigned' value='0'[^]*alias='ua-second'/,
      },
    ],
    [
      'two behind one switch, for libvirt before 8.2',
      { devices: hostdev('0000:19:00.0') + hostdev('0000:1a:00.0') },
      'warning',
      /behind one PCIe switch/,
      { on: { ...server, files: libvirt('8001.0') }, fix: /device\.hostdev1\.x-nv-gpudirect-clique=0/ },
    ],
    [
      'two behind different switches',
      { devices: hostdev('0000:19:00.0') + hostdev('0000:4d:00.0') },
      'ok',
      /nothing is gained/,
      { on: server },
    ],
    [
      'already said',
      {
        devices: hostdev('0000:19:00.0') + hostdev('0000:1a:00.0'),
        attributes: QEMU,
        inside:
          "<qemu:override><qemu:device alias='hostdev0'><qemu:frontend><qemu:property name='x-nv-gpudirect-clique' type='unsigned' value='3'/></qemu:frontend></qemu:device></qemu:override>",
      },
      'ok',
      /already/,
      { on: server },
    ],
  ],
};

describe('lint', () => {
  const scenario = scenarios();

  async function findingsIn(id: Id, xml: string, situation: Situation): Promise<readonly Finding[]> {
    const on = examinationOf(scenario(machineOf(situation)), situation);
    return examine({ [id]: lints[id] }, guestExamination(on, readGuestXml(xml)));
  }

  for (const id of Object.keys(table) as Id[]) {
    describe(id, () => {
      for (const [sentence, xml, verdict, found, { on = {}, fix } = {}] of table[id]) {
        it(`${verdict}: ${sentence}`, async () => {
          const findings = await findingsIn(id, domainXml(xml), on);
          const texts = findings.map((finding) => `${finding.verdict}: ${finding.found}`);
          const match = findings.find((finding) => finding.verdict === verdict && found.test(finding.found));
          assert.ok(match, `expected ${verdict} ${String(found)}, found ${texts.join(' | ')}`);
          const fixes = match.fix
            .map((each) =>
              each.kind === 'paste' ? `${each.into.replace(/ \(.*/, '')}\n${each.text}` : each.text,
            )
            .join('\n');
          if (fix) assert.match(fixes, fix);
          if (verdict === 'warning' || verdict === 'failure') assert.ok(match.fix.length > 0);
          for (const finding of findings) wellFormed(finding);
        });
      }

      if (id !== 'xml-devices') {
        it('is shown for a guest that needs no advice and for one that does', () => {
          const verdicts = new Set(table[id].map(([, , verdict]) => verdict));
          assert.ok(verdicts.has('ok'));
          assert.ok(verdicts.has('warning') || verdicts.has('failure'));
        });
      }
    });
  }

  it('what it says to paste can be pasted: a guest with the advice followed needs it no more', async () => {
    const before = { devices: hostdev('0000:19:00.0') + hostdev('0000:1a:00.0') };
    const [finding] = await findingsIn('xml-gpudirect', domainXml(before), server);
    const snippet = finding?.fix[0]?.text ?? '';
    const after = domainXml({ ...before, attributes: QEMU, inside: snippet });
    const [again] = await findingsIn('xml-gpudirect', after, server);
    assert.equal(again?.verdict, 'ok');
  });

  it('neither the card of a virtual function nor its other ones are advised, also where all share a group', async () => {
    const on = examinationOf(scenario(machineOf(displayWithVfs)), displayWithVfs);
    const examined = guestExamination(on, readGuestXml(domainXml({ devices: hostdev('0000:00:02.1') })));
    const inOneGroup = {
      ...examined,
      devices: new Map([...examined.devices].map(([at, device]) => [at, { ...device, iommuGroup: 1 }])),
      companions: examined.companions.map((device) => ({ ...device, iommuGroup: 1 })),
    };
    assert.deepEqual(
      inOneGroup.companions.map(({ address }) => address),
      ['0000:00:02.0', '0000:00:02.2'],
    );
    const findings = await examine({ 'xml-companions': lints['xml-companions'] }, inOneGroup);
    assert.deepEqual(
      findings.map(({ verdict }) => verdict),
      ['ok'],
    );
  });

  it('cards in a deeper switch belong to the one at the top', () => {
    const host = scenario(machineOf(server)).engine().host;
    const path = (address: string): string =>
      `../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0/0000:03:00.0/0000:04:0${address.slice(-4, -3)}.0/${address}`;
    const cards = [pci('0000:05:01.0'), pci('0000:06:02.0')];
    const deep = { ...host, readLink: (link: string) => path(link.split('/').pop() ?? '') };
    assert.deepEqual(cliquesOf(deep, cards), [cards]);
    const alone = {
      ...host,
      readLink: (link: string) => `../../../devices/pci0000:00/0000:00:01.0/${link.split('/').pop() ?? ''}`,
    };
    assert.deepEqual(cliquesOf(alone, cards), []);
  });

  for (const name of readdirSync('examples/domains')) {
    it(`has something to say about ${name}, on any machine`, async () => {
      const xml = readFileSync(`examples/domains/${name}`, 'utf8');
      for (const host of ['amd-rdna3-desktop', 'server-8-gpu']) {
        const on = examinationOf(scenario(machineOf({ host })), {});
        const findings = await examine(lints, guestExamination(on, readGuestXml(xml)));
        assert.deepEqual([...new Set(findings.map(({ id }) => id))], Object.keys(lints));
        for (const finding of findings) wellFormed(finding);
      }
      assert.deepEqual(
        readFeatures(xml)
          .devices.map(({ address }) => address)
          .sort(),
        parseDomain(xml)
          .hostdevs.flatMap((each) =>
            each.kind === 'pci' || each.kind === 'interface' ? [each.address] : [],
          )
          .sort(),
      );
    });
  }
});
