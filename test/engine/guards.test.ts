import assert from 'node:assert/strict';
import { hintText } from '../../src/hint.ts';
import { defaultConfig, mergeConfig, type Config } from '../../src/config/config.ts';
import { decodeConfigFile } from '../../src/config/decode.ts';
import { parseDescription } from '../../simulator/description.ts';
import { differences } from '../simulator/observe.ts';
import type { MachineSpec } from '../../simulator/spec.ts';
import { useReasons } from '../../src/pci/use.ts';
import { failureOf, guest, pci, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const DISK = '0000:04:00.0';
const NIC = '0000:05:00.0';
const PORT = '0000:05:00.1';
const USB = '0000:00:14.0';

/** What the devices of the machine below have besides, and the machine itself, as lines of a description. */
interface Host {
  readonly gpu?: string;
  readonly sound?: string;
  readonly disk?: string;
  readonly nic?: string;
  readonly port?: string;
  readonly usb?: string;
  /** Lines at the top level. */
  readonly machine?: string;
}

/** A machine that uses nothing of what it has: a card with sound (group 16), a disk (17), a network card with two ports (18), a USB controller (4). */
function machine({ machine: lines = '', ...devices }: Host = {}): MachineSpec {
  const more = (device: keyof typeof devices, group: number): string => {
    const text = devices[device] ?? '';
    return `${text.includes('group: ') ? '' : `, group: ${group}`}${text === '' ? '' : `, ${text}`}`;
  };
  return parseDescription(
    `name: guards
${lines}
devices:
  - { address: '${USB}', id: '8086:a36d', class: '0c0330', driver: xhci_hcd${more('usb', 4)} }
  - { address: '0000:00:1d.0', id: '8086:a340', class: '060400', group: 6, driver: pcieport }
  - { address: '${GPU}', id: '1002:744c', class: '030000', behind: '0000:00:1d.0', drm: [card1, renderD129]${more('gpu', 16)}${devices.gpu === undefined ? ', driver: amdgpu' : ''} }
  - { address: '${SOUND}', id: '1002:ab30', class: '040300', behind: '0000:00:1d.0', driver: snd_hda_intel, sound: card1${more('sound', 16)} }
  - { address: '${DISK}', id: '144d:a808', class: '010802', driver: nvme${more('disk', 17)} }
  - { address: '${NIC}', id: '8086:1521', class: '020000', driver: igb${more('nic', 18)} }
  - { address: '${PORT}', id: '8086:1521', class: '020000', driver: igb${more('port', 18)} }
`,
    'guards.yaml',
  );
}

/** A start that is refused before anything is written. */
interface Refusal {
  readonly name: string;
  readonly host: Host;
  /** Devices that the XML assigns. */
  readonly assigned: readonly string[];
  /** What stands before the reason. */
  readonly device: string;
  readonly reason: string;
  /** All hints but the last, which says how to allow it. */
  readonly hints: readonly string[];
  /** What the last hint allows; absent: it offers nothing. */
  readonly allow?: string;
  /** What that is for, unless it is all that is needed. */
  readonly purpose?: string;
  readonly first?: (s: Scenario) => Promise<void> | void;
  /** What a start that is allowed takes for good: no kernel brings it back. */
  readonly lost?: readonly string[];
}

const companion = (device: string): string =>
  `${device}, which shares the IOMMU group of an assigned device,`;
const only = (device: string, ...reasons: readonly string[]): string =>
  `{match: "${device}", allow: [${reasons.join(', ')}]}`;
const ALL_ROUTES = 'give the host another default route first; see: ip route show table all';
const ROUTE = 'give the host another default route first; see: ip route show default';
const SSH = 'log in through another interface, or at the machine itself';
const SCREEN = [
  'make another card the primary display in the firmware setup, so that the host has a screen of its own',
  `or give the guest the screen of the host, by display: {release: "${GPU}"} in its configuration`,
];
const ONLY_CARD = `${GPU} is the host's only graphics card, so the desktop has no other to be on: save your work, log out and stop the display manager before the guest starts`;
const KEYBOARD =
  'plug a keyboard into a port of another USB controller; lsusb -t shows which ports are whose';
const program = (name: string, path: string, unit = ''): string =>
  `{ name: ${name}, nodes: [${path}]${unit === '' ? '' : `, unit: ${unit}`} }`;

const refusals: readonly Refusal[] = [
  {
    name: 'the default route in halves leads over a bridge on the network card',
    host: {
      nic: 'net: { name: eno1, master: br0 }',
      machine: `interfaces:
  - { name: br0, kind: bridge, over: [eno1], up: true, routes: [{ to: 0.0.0.0/1 }, { to: 128.0.0.0/1 }] }`,
    },
    assigned: [NIC],
    device: NIC,
    reason: 'a part of the default route (0.0.0.0/1) leads through br0 over eno1',
    hints: [ALL_ROUTES],
    allow: only(NIC, 'default-route'),
  },
  {
    name: 'the default route of another table leads through a companion',
    host: { port: 'net: { name: eno2, up: true, routes: [{ to: 0.0.0.0/0, table: 100 }] }' },
    assigned: [NIC],
    device: companion(PORT),
    reason: 'the default route of table 100 leads through eno2',
    hints: [ALL_ROUTES],
    allow: only(PORT, 'default-route'),
  },
  {
    name: 'the default route leads through the card',
    host: { nic: 'net: { name: eno1, up: true, defaultRoute: true }' },
    assigned: [NIC],
    device: NIC,
    reason: 'the default route leads through eno1',
    hints: [ROUTE],
    allow: only(NIC, 'default-route'),
  },
  {
    name: 'the default route leads through the other port, which is not in the XML',
    host: { nic: 'net: { name: eno1, up: true, defaultRoute: true }' },
    assigned: [PORT],
    device: companion(NIC),
    reason: 'the default route leads through eno1',
    hints: [ROUTE],
    allow: only(NIC, 'default-route'),
  },
  {
    name: 'the default route leads through a bridge that the card is a port of: two reasons',
    host: {
      nic: 'net: { name: eno1, up: true, defaultRoute: true, master: br0 }',
      machine: 'interfaces: [{ name: br0, kind: bridge, over: [eno1], up: true }]',
    },
    assigned: [NIC],
    device: NIC,
    reason: 'the default route leads through br0 over eno1',
    hints: [
      ROUTE,
      'ip link set eno1 nomaster',
      `also ${NIC}: eno1 is a port of bridge br0 and has a carrier`,
    ],
    allow: only(NIC, 'default-route', 'bridge-port'),
  },
  {
    name: 'the default route leads through a VLAN on a bond of both ports',
    host: {
      nic: 'net: { name: eno1, up: true, master: bond0 }',
      port: 'net: { name: eno2, up: false, master: bond0 }',
      machine: `interfaces:
  - { name: bond0, kind: bond, over: [eno1, eno2], up: true }
  - { name: bond0.7, kind: vlan, over: [bond0], up: true, defaultRoute: true }`,
    },
    assigned: [PORT],
    device: PORT,
    reason: 'the default route leads through bond0.7 over eno2',
    hints: [
      ROUTE,
      `also ${NIC}: the default route leads through bond0.7 over eno1`,
      `also ${NIC}: eno1 is a port of bond bond0 and has a carrier`,
    ],
    allow: `${only(NIC, 'default-route', 'bridge-port')}, ${only(PORT, 'default-route')}`,
  },
  {
    name: 'the default route leads through a macvlan on the card',
    host: {
      nic: 'net: { name: eno1, up: true }',
      machine: 'interfaces: [{ name: macvlan0, kind: macvlan, over: [eno1], up: true, defaultRoute: true }]',
    },
    assigned: [NIC],
    device: NIC,
    reason: 'the default route leads through macvlan0 over eno1',
    hints: [ROUTE],
    allow: only(NIC, 'default-route'),
  },
  {
    name: 'there is a default route of IPv6 only',
    host: { nic: 'net: { name: eno1, up: true, defaultRoute: ipv6 }' },
    assigned: [NIC],
    device: NIC,
    reason: 'the default route leads through eno1',
    hints: [ROUTE],
    allow: only(NIC, 'default-route'),
  },
  {
    name: 'the default route leads through a USB adapter behind the controller',
    host: { usb: "net: { name: enx00, up: true, defaultRoute: true, under: 'usb1/1-2/1-2:1.0/' }" },
    assigned: [USB],
    device: USB,
    reason: 'the default route leads through enx00',
    hints: [ROUTE],
    allow: only(USB, 'default-route'),
  },
  {
    name: 'the default route leads through a virtio card',
    host: { nic: 'net: { name: ens1, up: true, defaultRoute: true, under: virtio0/ }' },
    assigned: [NIC],
    device: NIC,
    reason: 'the default route leads through ens1',
    hints: [ROUTE],
    allow: only(NIC, 'default-route'),
  },
  {
    name: 'an ssh session comes in through the card, though the default route does not',
    host: {
      nic: "net: { name: eno1, up: true, addresses: ['10.1.0.5/16'] }",
      usb: "net: { name: enx00, up: true, defaultRoute: true, under: 'usb1/1-2/1-2:1.0/' }",
      machine:
        "processes: [{ name: sshd, unit: ssh.service, sessions: [{ local: '10.1.0.5:22', peer: '10.1.2.3:50022' }] }]",
    },
    assigned: [NIC],
    device: NIC,
    reason: 'the ssh session with 10.1.2.3 ("sshd", pid 40001) leads through eno1',
    hints: [SSH],
    allow: only(NIC, 'ssh'),
  },
  {
    name: 'an ssh session comes in by the default route',
    host: {
      nic: 'net: { name: eno1, up: true, defaultRoute: true }',
      machine:
        "processes: [{ name: sshd-session, sessions: [{ local: '192.168.1.5:22', peer: '198.51.100.7:50022' }] }]",
    },
    assigned: [NIC],
    device: NIC,
    reason: 'the default route leads through eno1',
    hints: [
      ROUTE,
      SSH,
      `also ${NIC}: the ssh session with 198.51.100.7 ("sshd-session", pid 40001) leads through eno1`,
    ],
    allow: only(NIC, 'default-route', 'ssh'),
  },
  {
    name: 'an ssh session comes in by IPv6, through a VLAN',
    host: {
      nic: 'net: { name: eno1, up: true }',
      machine: `interfaces: [{ name: eno1.7, kind: vlan, over: [eno1], up: true, addresses: ['2001:db8:7::5/64'] }]
processes: [{ name: sshd, sessions: [{ local: '[2001:db8:7::5]:22', peer: '[2001:db8:7::20]:50022' }] }]`,
    },
    assigned: [NIC],
    device: NIC,
    reason: 'the ssh session with 2001:db8:7::20 ("sshd", pid 40001) leads through eno1.7 over eno1',
    hints: [SSH],
    allow: only(NIC, 'ssh'),
  },
  {
    name: 'an ssh session of IPv4 has a socket of IPv6',
    host: {
      nic: "net: { name: eno1, up: true, addresses: ['10.1.0.5/16'] }",
      machine:
        "processes: [{ name: sshd, sessions: [{ local: '[::ffff:10.1.0.5]:22', peer: '[::ffff:10.1.2.3]:50022' }] }]",
    },
    assigned: [NIC],
    device: NIC,
    reason: 'the ssh session with 10.1.2.3 ("sshd", pid 40001) leads through eno1',
    hints: [SSH],
    allow: only(NIC, 'ssh'),
  },
  {
    name: 'the card is a port of a bridge, with a carrier',
    host: {
      nic: 'net: { name: eno1, up: true, master: br0 }',
      machine: 'interfaces: [{ name: br0, kind: bridge, over: [eno1], up: true }]',
    },
    assigned: [PORT],
    device: companion(NIC),
    reason: 'eno1 is a port of bridge br0 and has a carrier',
    hints: ['ip link set eno1 nomaster'],
    allow: only(NIC, 'bridge-port'),
  },
  {
    name: 'a VLAN on the card is a port of a bridge',
    host: {
      nic: 'net: { name: eno1, up: true }',
      machine: `interfaces:
  - { name: eno1.7, kind: vlan, over: [eno1], up: true, master: br7 }
  - { name: br7, kind: bridge, over: [eno1.7], up: true }`,
    },
    assigned: [NIC],
    device: NIC,
    reason: 'eno1.7 over eno1 is a port of bridge br7 and has a carrier',
    hints: ['ip link set eno1.7 nomaster'],
    allow: only(NIC, 'bridge-port'),
  },
  {
    name: 'the card is a port of a team, or of another thing that the kernel gives no directory',
    host: {
      nic: 'net: { name: eno1, up: true, master: team0 }',
      machine: 'interfaces: [{ name: team0, kind: team, over: [eno1], up: true }]',
    },
    assigned: [NIC],
    device: NIC,
    reason: 'eno1 is a port of team0 and has a carrier',
    hints: ['ip link set eno1 nomaster'],
    allow: only(NIC, 'bridge-port'),
  },
  {
    name: 'the firmware chose the card as the primary display, and nobody has it open',
    host: { gpu: 'driver: amdgpu, bootVga: true' },
    assigned: [GPU],
    device: GPU,
    reason: 'the firmware chose it as the primary display (boot_vga is 1)',
    hints: [...SCREEN],
    allow: only(GPU, 'boot-vga'),
  },
  {
    name: 'the primary display has no driver',
    host: { gpu: 'bootVga: true' },
    assigned: [GPU],
    device: GPU,
    reason: 'the firmware chose it as the primary display (boot_vga is 1)',
    hints: [...SCREEN],
    allow: only(GPU, 'boot-vga'),
    lost: ['console dummy device: not bound -> bound', 'console frame buffer device: bound -> absent'],
  },
  {
    name: 'only the sound function of the primary display is in the XML',
    host: { gpu: 'driver: amdgpu, bootVga: true' },
    assigned: [SOUND],
    device: companion(GPU),
    reason: 'the firmware chose it as the primary display (boot_vga is 1)',
    hints: [...SCREEN],
    allow: only(GPU, 'boot-vga'),
  },
  {
    name: 'the text console is on a card that the firmware did not choose',
    host: { gpu: 'driver: amdgpu, framebuffer: fb0' },
    assigned: [GPU],
    device: GPU,
    reason: 'the text console is on it (fb0)',
    hints: [...SCREEN],
    allow: only(GPU, 'console'),
  },
  {
    name: 'the firmware’s frame buffer, with the console on it, is below a card without a driver',
    host: {
      gpu: 'bootVga: true',
      machine: `console: simple-framebuffer.0
files: { /sys/class/graphics/fb0: '-> /sys/devices/pci0000:00/0000:00:1d.0/${GPU}/simple-framebuffer.0/graphics/fb0' }`,
    },
    assigned: [GPU],
    device: GPU,
    reason: 'the firmware chose it as the primary display (boot_vga is 1)',
    hints: [...SCREEN, `also ${GPU}: the text console is on it (fb0)`],
    allow: only(GPU, 'boot-vga', 'console'),
    lost: [
      'console dummy device: not bound -> bound',
      'console frame buffer device: bound -> absent',
      'firmware frame buffer: simple-framebuffer.0 -> absent',
    ],
  },
  {
    name: 'a display server has the card open',
    host: { machine: `processes: [${program('Xorg', '/dev/dri/card1', 'lightdm.service')}]` },
    assigned: [GPU],
    device: GPU,
    reason: '/dev/dri/card1 is open in "Xorg" (pid 40001, lightdm.service)',
    hints: [
      'do not stop "Xorg" (pid 40001, lightdm.service): this ends your session and every program in it',
      ONLY_CARD,
    ],
  },
  {
    name: 'four programs have the card open: three are named',
    host: {
      machine: `processes:
  - { name: gnome-shell, user: 1000, unit: org.gnome.Shell@wayland.service, nodes: [/dev/dri/card1, /dev/dri/renderD129] }
  - { name: firefox, user: 1000, unit: app-gnome-firefox-2204.scope, nodes: [/dev/dri/renderD129] }
  - { name: mpv, nodes: [/dev/dri/renderD129] }
  - { name: blender, nodes: [/dev/dri/renderD129] }`,
    },
    assigned: [GPU],
    device: GPU,
    reason:
      '/dev/dri/card1 and /dev/dri/renderD129 are open in "gnome-shell" (pid 40001, org.gnome.Shell@wayland.service), "firefox" (pid 40002, app-gnome-firefox-2204.scope), "mpv" (pid 40003) and 1 more',
    hints: [
      'do not stop "gnome-shell" (pid 40001, org.gnome.Shell@wayland.service): this ends your session and every program in it',
      ONLY_CARD,
    ],
  },
  {
    name: 'a program with the name of a sound server has the control node of the companion open',
    host: {
      machine:
        'processes: [{ name: pipewire, user: 1000, unit: pipewire.service, nodes: [/dev/snd/controlC1] }]',
    },
    assigned: [GPU],
    device: companion(SOUND),
    reason: '/dev/snd/controlC1 is open in "pipewire" (pid 40001, pipewire.service)',
    hints: [
      'systemctl --user --machine=1000@ stop -- pipewire.service',
      'vfio-hook can do that for a guest, and undo it afterwards: services: {stop: [{unit: pipewire.service, user: 1000}]} in its configuration',
    ],
  },
  {
    name: 'a program plays on the card',
    host: { machine: `processes: [${program('mpv', '/dev/snd/pcmC1D3p')}]` },
    assigned: [SOUND],
    device: SOUND,
    reason: '/dev/snd/pcmC1D3p is open in "mpv" (pid 40001)',
    hints: ['end that program: kill 40001'],
  },
  {
    name: 'a program draws on the frame buffer, with the console elsewhere',
    host: {
      gpu: 'driver: amdgpu, framebuffer: fb1',
      machine: `files: { /sys/class/graphics/fb0: '-> /sys/devices/platform/simple-framebuffer.0/graphics/fb0' }
processes: [${program('kodi', '/dev/fb1')}]`,
    },
    assigned: [GPU],
    device: GPU,
    reason: '/dev/fb1 is open in "kodi" (pid 40001)',
    hints: ['end that program: kill 40001'],
    allow: only(GPU, 'held'),
  },
  {
    name: 'a program has the picture of a capture card open',
    host: {
      sound: 'video: [video0, video1]',
      machine: `processes: [${program('obs', '/dev/video1')}]`,
    },
    assigned: [GPU],
    device: companion(SOUND),
    reason: '/dev/video1 is open in "obs" (pid 40001)',
    hints: ['end that program: kill 40001'],
    allow: only(SOUND, 'held'),
  },
  {
    name: 'nvidia-persistenced has the card’s own node open',
    host: {
      gpu: 'driver: nvidia, nodes: [/dev/nvidia2]',
      machine: `processes: [${program('nvidia-persiste', '/dev/nvidia2', 'nvidia-persistenced.service')}]`,
    },
    assigned: [GPU],
    device: GPU,
    reason: '/dev/nvidia2 is open in "nvidia-persiste" (pid 40001, nvidia-persistenced.service)',
    hints: [
      'systemctl stop -- nvidia-persistenced.service',
      'vfio-hook can do that for a guest, and undo it afterwards: services: {stop: [nvidia-persistenced.service]} in its configuration',
    ],
  },
  {
    name: 'a program computes on the only NVIDIA card through the shared nodes',
    host: {
      gpu: 'driver: nvidia, nodes: [/dev/nvidia0]',
      machine: `processes: [{ name: python3, nodes: [/dev/nvidiactl, /dev/nvidia-uvm] }]`,
    },
    assigned: [GPU],
    device: GPU,
    reason: '/dev/nvidia-uvm and /dev/nvidiactl are open in "python3" (pid 40001)',
    hints: ['end that program: kill 40001'],
  },
  {
    name: 'a guest renders on the card',
    host: {},
    first: (s) => {
      s.happens({
        do: 'hold-node',
        path: '/dev/dri/renderD129',
        program: 'qemu-system-x86',
        guest: 'desktop',
      });
    },
    assigned: [GPU],
    device: GPU,
    reason: '/dev/dri/renderD129 is open in guest "desktop" (pid 40001)',
    hints: ['shut that guest down first'],
    allow: only(GPU, 'held'),
  },
  {
    name: 'a program whose name drives a terminal has the card open',
    host: { machine: `processes: [${program('"\\e[2J\\nvfio-hook: all is well"', '/dev/dri/card1')}]` },
    assigned: [GPU],
    device: GPU,
    reason: '/dev/dri/card1 is open in "\\u{1b}[2J\\u{a}vfio-hook: all is well" (pid 40001)',
    hints: ['end that program: kill 40001'],
    allow: only(GPU, 'held'),
  },
  {
    name: 'a program has so many files open that nobody knows whether it has the card open',
    host: {},
    first: (s) => {
      s.happens({ do: 'open-many-files', program: 'hog\n', nodes: ['/dev/dri/card1', '/dev/snd/controlC1'] });
    },
    assigned: [GPU],
    device: GPU,
    reason:
      'who has /dev/dri/card1 and /dev/dri/renderD129 open is not known: the open files of "hog\\u{a}" (pid 40001) could not all be looked at in time',
    hints: [
      'end what has that many files open, or try again when the host is less busy',
      `also ${SOUND}: who has /dev/snd/controlC1, /dev/snd/hwC1D0 and /dev/snd/pcmC1D3p open is not known: the open files of "hog\\u{a}" (pid 40001) could not all be looked at in time`,
    ],
    // The driver of the sound would wait for ever, should it be open.
    allow: only(GPU, 'held'),
    purpose: 'to allow the rest',
  },
  {
    name: 'a companion is a disk with a file system on LVM in LUKS',
    host: {
      disk: 'disk: { name: nvme0n1, partitions: { nvme0n1p3: { luks: cryptdata, holds: { lvm: vg0-home, holds: /home } } } }, group: 16',
    },
    assigned: [GPU],
    device: companion(DISK),
    reason: 'nvme0n1p3 is mounted at /home through dm-0 (LUKS cryptdata) and dm-1 (LVM vg0-home)',
    hints: ['umount /home', 'vgchange -an vg0', 'cryptsetup close cryptdata'],
    allow: only(DISK, 'mounted'),
  },
  {
    name: 'the host swaps to the disk',
    host: { disk: 'disk: { name: nvme0n1, partitions: { nvme0n1p3: swap } }' },
    assigned: [DISK],
    device: DISK,
    reason: 'nvme0n1p3 is swap space of the host',
    hints: ['swapoff /dev/nvme0n1p3'],
    allow: only(DISK, 'swap'),
  },
  {
    name: 'the disk is a member of a ZFS pool',
    host: { disk: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: { zfs: tank } } }' },
    assigned: [DISK],
    device: DISK,
    reason: 'nvme0n1p1 is in use by the ZFS pool tank',
    hints: ['zpool export tank'],
    allow: only(DISK, 'disk-in-use'),
  },
  {
    name: 'the last keyboard is behind the controller',
    host: { usb: 'keyboards: [{ name: Cherry KC 1000, usb: 1-2 }]' },
    assigned: [USB],
    device: USB,
    reason: 'every keyboard of the host is behind it: "Cherry KC 1000"',
    hints: [KEYBOARD],
    allow: only(USB, 'last-keyboard'),
  },
  {
    name: 'the last keyboard is behind a controller that is not in the XML',
    host: { usb: 'keyboards: [{ name: Cherry KC 1000, usb: 1-2 }], group: 16' },
    assigned: [GPU],
    device: companion(USB),
    reason: 'every keyboard of the host is behind it: "Cherry KC 1000"',
    hints: [KEYBOARD],
    allow: only(USB, 'last-keyboard'),
  },
  {
    name: 'all of a single card is in use: every use of every member is said at once',
    host: {
      gpu: 'driver: amdgpu, bootVga: true, framebuffer: fb0',
      machine: `processes:
  - { name: Xorg, unit: lightdm.service, nodes: [/dev/dri/card1] }
  - { name: pulseaudio, nodes: [/dev/snd/controlC1] }`,
    },
    assigned: [GPU, SOUND],
    device: GPU,
    reason: 'the firmware chose it as the primary display (boot_vga is 1)',
    hints: [
      ...SCREEN,
      'do not stop "Xorg" (pid 40001, lightdm.service): this ends your session and every program in it',
      ONLY_CARD,
      `also ${GPU}: the text console is on it (fb0)`,
      `also ${GPU}: /dev/dri/card1 is open in "Xorg" (pid 40001, lightdm.service)`,
      `also ${SOUND}: /dev/snd/controlC1 is open in "pulseaudio" (pid 40002)`,
    ],
    allow: only(GPU, 'boot-vga', 'console'),
    purpose: 'to allow the rest',
  },
];

/** The configuration of one guest, from its text. */
function configOf(text: string): Config {
  return mergeConfig(defaultConfig, decodeConfigFile(text, '/etc/vfio-hook/domains/win11.yaml'));
}

describe('a start is refused, nothing is written and no claim is left, when', () => {
  const scenario = scenarios();

  for (const row of refusals) {
    const { name, host, first, assigned, device, reason, hints, allow, lost, purpose = 'to allow it' } = row;
    it(name, async () => {
      const s = scenario({ machine: machine(host) });
      await first?.(s);
      const error = await failureOf(s.prepare(guest('win11', ...assigned)));
      assert.equal(error.message, `cannot give ${device} to guest "win11": the host uses it: ${reason}`);
      assert.equal(error.code, 'VH_REFUSED');
      const file = '/etc/vfio-hook/domains/win11.yaml';
      const last = allow === undefined ? [] : [`${purpose}: devices: [${allow}] in ${file}`];
      assert.deepEqual(error.hints.map(hintText), [...hints, ...last]);
      assert.deepEqual(s.writes(), []);
      s.nothingDiffers();

      // What the last hint says is what it takes. A node that is held may hang the unbind all the same.
      if (allow === undefined || allow.includes('held') || row.purpose !== undefined) return;
      s.config = configOf(/devices: .*\]/.exec(error.hints.map(hintText).at(-1) ?? '')?.[0] ?? '');
      const before = s.observation();
      await s.prepare(guest('win11', ...assigned));
      for (const each of assigned) assert.equal(s.driver(each), 'vfio-pci');
      await s.release('win11');
      assert.deepEqual([differences(before, s.observation()), s.claims()], [lost ?? [], []]);
    });
  }
});

describe('the disk that the host runs from', () => {
  const scenario = scenarios();
  const disk =
    'disk: { name: nvme0n1, partitions: { nvme0n1p1: /boot/efi, nvme0n1p2: { luks: cryptroot, holds: / }, nvme0n1p3: swap } }';
  const others = useReasons.filter((reason) => reason !== 'root-disk');
  const configs: readonly (readonly [how: string, config: Config])[] = [
    ['without a configuration', configOf('{}')],
    ['whatever else is allowed', configOf(`devices: [${only(DISK, ...others)}]`)],
    ['when its own word is there and the others are not', configOf(`devices: [${only(DISK, 'root-disk')}]`)],
  ];
  for (const [how, config] of configs) {
    it(`is refused ${how}, and no hint says how to allow it`, async () => {
      const s = scenario({ machine: machine({ disk }), config });
      const error = await failureOf(s.prepare(guest('win11', DISK)));
      const texts = error.hints.map(hintText).join('\n');
      assert.doesNotMatch(`${error.message}\n${texts}`, /allow|root-disk/);
      assert.deepEqual(s.writes(), []);
      s.nothingDiffers();
    });
  }

  it('says so first, also of a companion, and advises nothing that takes it apart', async () => {
    const s = scenario({ machine: machine({ disk: `${disk}, group: 16` }) });
    const error = await failureOf(s.prepare(guest('win11', GPU)));
    assert.equal(
      error.message,
      `cannot give ${companion(DISK)} to guest "win11": the host runs from it: / is on nvme0n1p2 through dm-0 (LUKS cryptroot)`,
    );
    assert.deepEqual(error.hints.map(hintText), [
      'give the guest another disk',
      `also ${DISK}: nvme0n1p1 is mounted at /boot/efi`,
      `also ${DISK}: nvme0n1p3 is swap space of the host`,
    ]);
  });

  it('goes to the guest when its word is in the configuration', async () => {
    const config = configOf(`devices: [${only(DISK, 'root-disk', 'mounted', 'swap')}]`);
    const s = scenario({ machine: machine({ disk }), config });
    await s.prepare(guest('win11', DISK));
    assert.equal(s.driver(DISK), 'vfio-pci');
  });
});

describe('a reason that the configuration allows', () => {
  const scenario = scenarios();
  const single: Host = { gpu: 'driver: amdgpu, bootVga: true, framebuffer: fb0' };
  const allow = (match: string, ...reasons: readonly string[]): Config =>
    configOf(`devices: [{match: "${match}", allow: [${reasons.join(', ')}]}]`);

  it('takes a device of which it is not known who has it open', async () => {
    const config = configOf(
      `devices: [{match: "${GPU}", allow: [held]}, {match: "${SOUND}", allow: [held]}]`,
    );
    const s = scenario({ machine: machine(), config });
    s.happens({ do: 'open-many-files', program: 'hog', nodes: ['/dev/dri/card1'] });
    await s.prepare(guest('win11', GPU));
    await s.release('win11');
    s.nothingDiffers();
  });

  for (const [how, match] of [
    ['by its address', GPU],
    ['by its vendor and device', '1002:744c'],
  ] as const) {
    it(`lets the device go, named ${how}, with a trace in the log and in the plan`, async () => {
      const s = scenario({ machine: machine(single), config: allow(match, 'boot-vga', 'console') });
      await s.prepare(guest('win11', GPU));
      assert.deepEqual(
        s.log
          .filter(({ severity }) => severity === 'warning')
          .map(({ message, device, guest: name }) => `${name ?? ''} ${device ?? ''} ${message}`),
        [
          `win11 ${GPU} taken from the host, as it is allowed: the firmware chose it as the primary display (boot_vga is 1)`,
          `win11 ${GPU} taken from the host, as it is allowed: the text console is on it (fb0)`,
        ],
      );
      assert.deepEqual(
        s.log.filter(({ message }) => message.startsWith('verdict: ')).map(({ message }) => message),
        [
          'verdict: the guest is assigned it; taken from the host on purpose (boot-vga, console)',
          'verdict: it shares IOMMU group 16 with an assigned device',
        ],
      );
      await s.release('win11');
      s.nothingDiffers();
    });
  }

  interface Row {
    readonly name: string;
    readonly host: Host;
    readonly config: Config;
    readonly assigned: readonly string[];
    readonly message: string;
    readonly hints: readonly string[];
  }
  const console = 'the host uses it: the text console is on it (fb0)';
  const primary = 'the host uses it: the firmware chose it as the primary display (boot_vga is 1)';
  const both = `to allow it: devices: [${only(GPU, 'boot-vga', 'console')}] in /etc/vfio-hook/domains/win11.yaml`;
  const rows: readonly Row[] = [
    {
      name: 'leaves the other reason, and the hint has both',
      host: single,
      config: allow(GPU, 'boot-vga'),
      assigned: [GPU],
      message: `cannot give ${GPU} to guest "win11": ${console}`,
      hints: [...SCREEN, both],
    },
    {
      name: 'does not stand for another reason',
      host: { gpu: 'driver: amdgpu, framebuffer: fb0' },
      config: allow(GPU, 'boot-vga', 'held', 'mounted'),
      assigned: [GPU],
      message: `cannot give ${GPU} to guest "win11": ${console}`,
      hints: [
        ...SCREEN,
        `to allow it: devices: [${only(GPU, 'console')}] in /etc/vfio-hook/domains/win11.yaml`,
      ],
    },
    {
      name: 'does not stand for another device, though that is in the same group',
      host: single,
      config: allow(SOUND, 'boot-vga', 'console'),
      assigned: [GPU, SOUND],
      message: `cannot give ${GPU} to guest "win11": ${primary}`,
      hints: [...SCREEN, `also ${GPU}: the text console is on it (fb0)`, both],
    },
    {
      name: 'of an earlier rule does not add to that of a later one',
      host: single,
      config: configOf(
        `devices: [{match: "1002:744c", allow: [boot-vga]}, {match: "${GPU}", allow: [console]}]`,
      ),
      assigned: [GPU],
      message: `cannot give ${GPU} to guest "win11": ${primary}`,
      hints: [...SCREEN, both],
    },
    {
      name: 'is taken back by a later rule that allows nothing',
      host: single,
      config: configOf(
        `devices: [{match: "${GPU}", allow: [boot-vga, console]}, {match: "${GPU}", allow: []}]`,
      ),
      assigned: [GPU],
      message: `cannot give ${GPU} to guest "win11": ${primary}`,
      hints: [...SCREEN, `also ${GPU}: the text console is on it (fb0)`, both],
    },
    {
      name: 'does not make a BAR fit',
      host: single,
      config: configOf(`devices: [{match: "${GPU}", allow: [boot-vga, console], bars: {2: 8MiB}}]`),
      assigned: [GPU],
      message: `cannot give ${GPU} to guest "win11": BAR 2 of ${GPU} does not exist`,
      hints: [
        `${GPU} has no resizable BAR; check "Above 4G decoding" and "Resizable BAR" in the firmware setup, and that Linux is 6.1 or later`,
      ],
    },
    {
      name: 'is asked for before a size that does not fit',
      host: single,
      config: configOf(`devices: [{match: "${GPU}", bars: {2: 8MiB}}]`),
      assigned: [GPU],
      message: `cannot give ${GPU} to guest "win11": ${primary}`,
      hints: [...SCREEN, `also ${GPU}: the text console is on it (fb0)`, both],
    },
  ];
  for (const { name, host, config, assigned, message, hints } of rows) {
    it(name, async () => {
      const s = scenario({ machine: machine(host), config });
      const error = await failureOf(s.prepare(guest('win11', ...assigned)));
      assert.equal(error.message, message);
      assert.deepEqual(error.hints.map(hintText), hints);
      assert.deepEqual(s.writes(), []);
      s.nothingDiffers();
    });
  }

  it('is no reason to wait less: a sound device that is held may hang, and is given up in time', async () => {
    const s = scenario({ machine: machine(), config: allow(SOUND, 'held') });
    s.happens({ do: 'hold-node', path: '/dev/snd/controlC1', program: 'pipewire' });
    const error = await failureOf(s.prepare(guest('win11', GPU)));
    assert.equal(error.code, 'VH_STUCK');
  });

  it('lets libvirt take a managed network function', async () => {
    const s = scenario({
      machine: machine({ port: 'net: { name: eno2, up: true, defaultRoute: true }' }),
      config: allow(PORT, 'default-route'),
    });
    await s.prepare(guest('win11', { kind: 'interface', address: pci(PORT), managed: true }));
    assert.equal(s.driver(PORT), 'igb');
    assert.deepEqual(
      s.log.filter(({ severity }) => severity === 'warning').map(({ device }) => device),
      [PORT],
    );
  });
});

describe('a sound server that lets go', () => {
  const scenario = scenarios();
  const path = '/dev/snd/controlC1';
  const server = (facts: string): Host => ({
    machine: `processes: [{ name: wireplumber, user: 1000, unit: wireplumber.service, program: /usr/bin/wireplumber, nodes: [${path}]${facts} }]`,
  });

  it('keeps no guest from its card: the unbind waits for it, and release gives everything back', async () => {
    const s = scenario({ machine: machine(server(', letsGoMs: 400')) });
    const before = s.machine.store.now();
    await s.prepare(guest('win11', GPU));
    assert.equal(s.driver(SOUND), 'vfio-pci');
    assert.ok(s.machine.store.now() - before >= 400);
    await s.release('win11');
    s.nothingDiffers();
  });

  it('is refused at once while it is halted, and named', async () => {
    const s = scenario({ machine: machine(server(', halted: true, letsGoMs: 400')) });
    const error = await failureOf(s.prepare(guest('win11', GPU)));
    assert.equal(error.code, 'VH_REFUSED');
    assert.match(
      error.message,
      /controlC1 is open in "wireplumber" \(pid 40001, wireplumber\.service, stopped\)$/,
    );
    assert.deepEqual(s.writes(), []);
    s.nothingDiffers();
  });

  it('is waited for no longer than anybody when it breaks its word, and then named', async () => {
    const s = scenario({ machine: machine(server('')) });
    const error = await failureOf(s.prepare(guest('win11', GPU)));
    assert.equal(error.code, 'VH_STUCK');
    assert.match(
      error.message,
      /controlC1 is open in "wireplumber" \(pid 40001, wireplumber\.service\); guest/,
    );
    assert.ok(
      error.hints.map(hintText).includes('systemctl --user --machine=1000@ stop -- wireplumber.service'),
    );
    s.happens({ do: 'release-node', path });
    await s.recover();
    s.nothingDiffers();
  });
});

describe('a start that would hang', () => {
  const scenario = scenarios();
  const hanging: readonly (readonly [name: string, path: string, unbind: string, host: Host])[] = [
    ['a sound device that is held', '/dev/snd/controlC1', '*/snd_hda_intel/unbind', {}],
    [
      'an NVIDIA card that is held',
      '/dev/nvidia0',
      '*/nvidia/unbind',
      { gpu: 'driver: nvidia, nodes: [/dev/nvidia0]', machine: 'console: none' },
    ],
  ];
  for (const [name, path, unbind, host] of hanging) {
    it(`is refused at once, not after the deadline: ${name}`, async () => {
      const s = scenario({ machine: machine(host) });
      s.fault({ kind: 'hang' }, { path: unbind, times: 'always' });
      s.happens({ do: 'hold-node', path, program: 'program' });
      const before = s.machine.store.now();
      const error = await failureOf(s.prepare(guest('win11', GPU)));
      assert.equal(error.code, 'VH_REFUSED');
      assert.match(error.message, new RegExp(`${path} is open in "program"`));
      assert.ok(s.machine.store.now() - before < 10_000, 'it waited');
      assert.deepEqual(s.writes(), []);

      s.happens({ do: 'release-node', path });
      s.machine.perform({ do: 'clear-faults' });
      await s.prepare(guest('win11', GPU));
      await s.release('win11');
      s.nothingDiffers();
    });
  }
});

describe('a start goes on when', () => {
  const scenario = scenarios();
  const rows: readonly (readonly [name: string, host: Host, ...assigned: string[]])[] = [
    ['the machine uses nothing', {}, GPU, DISK, NIC, USB],
    [
      'the port of a bridge is down',
      {
        nic: 'net: { name: eno1, master: br0 }',
        machine: 'interfaces: [{ name: br0, kind: bridge, over: [eno1], up: true }]',
      },
      NIC,
    ],
    [
      'the default route leads through another card',
      {
        nic: 'net: { name: eno1, up: true }',
        usb: "net: { name: enx00, up: true, defaultRoute: true, under: 'usb1/1-2/1-2:1.0/' }",
      },
      NIC,
    ],
    [
      'the default route leads through a tunnel, and nothing says what that is on',
      {
        nic: 'net: { name: eno1, up: true }',
        machine: 'interfaces: [{ name: tun0, kind: tun, up: true, defaultRoute: both }]',
      },
      NIC,
    ],
    [
      'the ssh session comes in through another card',
      {
        nic: "net: { name: eno1, up: true, addresses: ['10.1.0.5/16'] }",
        usb: "net: { name: enx00, up: true, addresses: ['10.1.2.5/24'], under: 'usb1/1-2/1-2:1.0/' }",
        machine: "processes: [{ name: sshd, sessions: [{ local: '10.1.2.5:22', peer: '10.1.2.3:50022' }] }]",
      },
      NIC,
    ],
    [
      'the connection through the card is not one of ssh',
      {
        nic: "net: { name: eno1, up: true, addresses: ['10.1.0.5/16'] }",
        machine:
          "processes: [{ name: nginx, sessions: [{ local: '10.1.0.5:443', peer: '10.1.2.3:50022' }] }]",
      },
      NIC,
    ],
    [
      'the host talks ssh to itself',
      {
        nic: "net: { name: eno1, up: true, addresses: ['10.1.0.5/16'] }",
        machine: `processes: [{ name: sshd, sessions: [
  { local: '10.1.0.5:22', peer: '10.1.0.5:50022' }, { local: '127.0.0.1:22', peer: '127.0.0.1:50023' }] }]`,
      },
      NIC,
    ],
    ['the card is not the primary display', { gpu: 'driver: amdgpu, bootVga: false' }, GPU],
    [
      'the primary display was on vfio-pci before',
      { gpu: 'driver: vfio-pci, override: vfio-pci, bootVga: true' },
      GPU,
    ],
    [
      'there is a second keyboard elsewhere',
      {
        usb: 'keyboards: [{ name: Cherry, usb: 1-2 }]',
        machine: 'keyboards: [AT Translated Set 2 keyboard]',
      },
      USB,
    ],
    [
      'the disk has a file system that is not mounted',
      { disk: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: null } }' },
      DISK,
    ],
  ];
  for (const [name, host, ...assigned] of rows) {
    it(name, async () => {
      const s = scenario({ machine: machine(host) });
      await s.prepare(guest('win11', ...assigned));
      for (const each of assigned) assert.equal(s.driver(each), 'vfio-pci');
      await s.release('win11');
      s.nothingDiffers();
    });
  }

  it('a program has many files open, and the kernel knows of nobody who has the card open', async () => {
    const s = scenario({ machine: machine() });
    s.happens({ do: 'open-many-files', program: 'hog' });
    await s.prepare(guest('win11', GPU));
    await s.release('win11');
    s.nothingDiffers();
  });

  it('programs use other cards on the driver nvidia, and with them the nodes that all share', async () => {
    const nodes = ['/dev/nvidiactl', '/dev/nvidia-uvm', '/dev/nvidia1'];
    const s = scenario({
      host: 'server-8-gpu',
      machine: { processes: [{ name: 'python3', nodes, sessions: [] }] },
    });
    await s.prepare(guest('win11', '0000:19:00.0'));
    const error = await failureOf(s.prepare(guest('other', '0000:1a:00.0')));
    assert.match(error.message, /: \/dev\/nvidia1 is open in "python3" \(pid 40001\)$/);
    await s.release('win11');
    s.nothingDiffers();
  });

  it('the same guest has the devices already', async () => {
    const s = scenario({ machine: machine() });
    await s.prepare(guest('win11', GPU));
    s.writes();
    await s.prepare(guest('win11', GPU));
    assert.deepEqual(s.writes(), []);
  });
});
