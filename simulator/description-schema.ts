import * as v from 'valibot';
import { diskSchema } from './description-disk.ts';
import { kernelVersions, linkSpeeds, linkWidths, vfSettings } from './spec.ts';

/**
 * What a file in examples/hosts/ may say. Numbers that are written in hexadecimal are texts in YAML, in
 * quotation marks where they would be read as numbers (`'030000'`).
 */
const address = v.pipe(
  v.string('an address is a text such as 0000:03:00.0'),
  v.regex(/^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/, 'an address has the form 0000:03:00.0'),
);
const ids = v.pipe(
  v.string('ids are a text such as 1002:744c'),
  v.regex(/^[0-9a-f]{4}:[0-9a-f]{4}$/, 'ids have the form 1002:744c, in lower case'),
);
const digits = (count: number): v.GenericSchema<string> =>
  v.pipe(
    v.string(`${count} hexadecimal digits in quotation marks`),
    v.regex(new RegExp(`^[0-9a-f]{${count}}$`), `${count} hexadecimal digits, in lower case`),
  );
const UNIT = { B: 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;
const size = v.pipe(
  v.string('a size is a text such as 256M'),
  v.regex(/^\d+[BKMGT]$/, 'a size is a number with B, K, M, G or T, such as 256M'),
  v.transform((text) => Number(text.slice(0, -1)) * UNIT[text.slice(-1) as keyof typeof UNIT]),
);
const name = v.pipe(v.string(), v.minLength(1));

const bar = v.strictObject({
  size,
  /** Absent: 32-bit memory. */
  kind: v.optional(v.picklist(['io', 'mem32', 'mem64', 'pref64']), 'mem32'),
  /** `256M..32G`, both included, or a list. */
  sizes: v.optional(
    v.union([
      v.pipe(
        v.string(),
        v.regex(/^\d+[MGT]\.\.\d+[MGT]$/, 'sizes have the form 256M..32G'),
        v.transform((text) => text.split('..')),
        v.tuple([size, size]),
        v.transform(([first, last]) => powersOfTwo(first, last)),
      ),
      v.array(size),
    ]),
    [],
  ),
});

const bars = v.optional(
  v.record(v.pipe(v.string(), v.regex(/^[0-5]$/, 'a BAR has a number from 0 to 5')), bar),
  {},
);

const keyboard = v.strictObject({
  /** As the keyboard says it. */
  name: v.string(),
  /** Port of the USB controller that it, or its Bluetooth adapter, is plugged into, such as 1-3. */
  usb: v.pipe(v.string(), v.regex(/^\d+-\d+$/, 'a port is a text such as 1-3')),
  /** The Bluetooth adapter that it is connected to, such as hci0. */
  bluetooth: v.optional(name),
});

const sriov = v.strictObject({
  total: v.pipe(v.number(), v.integer(), v.minValue(1)),
  active: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  offset: v.optional(v.number(), 0x80),
  stride: v.optional(v.number(), 2),
  vfDevice: digits(4),
  vfDriver: v.optional(name),
  vfBars: bars,
  /** NVIDIA's vendor framework: fresh VFs have this vGPU type, 0 for none. */
  vgpuType: v.optional(v.number()),
  /** Of a graphics card: how its driver deals out shares to functions. */
  profile: v.exactOptional(
    v.strictObject({
      interface: v.picklist(['xe', 'prelim']),
      gts: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1))),
      vram: v.exactOptional(size),
    }),
  ),
  /** Of a network card: what its driver does not set for a virtual function. */
  refuses: v.optional(v.array(v.picklist(vfSettings)), []),
  /** The vGPU types of such a card, with the memory that they share. */
  vgpu: v.exactOptional(
    v.strictObject({
      memory: size,
      mixed: v.optional(v.boolean(), false),
      types: v.array(v.strictObject({ id: v.number(), name, memory: size })),
    }),
  ),
});

const speed = v.picklist(linkSpeeds, 'a link has 2.5, 5, 8, 16, 32 or 64 GT/s');
const width = v.picklist(linkWidths, 'a link has 1, 2, 4, 8, 12, 16 or 32 lanes');

const netInterface = {
  name,
  up: v.optional(v.boolean(), false),
  /** true: that of IPv4. */
  defaultRoute: v.optional(v.union([v.boolean(), v.picklist(['ipv6', 'both'])]), false),
  /** Further routes of IPv4, such as 0.0.0.0/1, of which ip(8) tells; of the main table unless another one is named. */
  routes: v.optional(
    v.array(v.strictObject({ to: name, table: v.optional(v.pipe(v.number(), v.integer())) })),
    [],
  ),
  master: v.optional(name),
  /** With the length of the network's prefix: 192.168.1.5/24. */
  addresses: v.optional(v.array(name), []),
};

const process = v.strictObject({
  name,
  /** The systemd unit that it runs in, and the number of the user whose it is. */
  unit: v.optional(name),
  user: v.optional(v.number()),
  /** The file that it runs, whether it is stopped, and how soon it closes the nodes of a device that goes. */
  program: v.exactOptional(name),
  halted: v.exactOptional(v.boolean()),
  letsGoMs: v.exactOptional(v.number()),
  /** How long after the end of its session it ends. */
  endsMs: v.exactOptional(v.number()),
  nodes: v.optional(v.array(name), []),
  /** Its TCP connections: both ends as 192.168.1.5:22 or [2001:db8::5]:22. */
  sessions: v.optional(v.array(v.strictObject({ local: name, peer: name })), []),
});

const device = v.strictObject({
  address,
  name: v.optional(name),
  id: ids,
  subsystem: v.optional(ids, '0000:0000'),
  class: digits(6),
  revision: v.optional(digits(2), '00'),
  behind: v.optional(address),
  group: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  numa: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  /** The PCI Express link: GT/s and lanes. Absent maxima: it runs at its best. */
  link: v.optional(
    v.strictObject({ speed, width, maxSpeed: v.optional(speed), maxWidth: v.optional(width) }),
  ),
  /** The driver that has it after boot. */
  driver: v.optional(name),
  /** Further drivers that take such a device, loaded or not. */
  drivers: v.optional(v.array(name), []),
  override: v.optional(name),
  bars,
  reset: v.optional(v.array(name), []),
  power: v.optional(v.picklist(['auto', 'on']), 'on'),
  d3cold: v.optional(v.boolean(), true),
  bootVga: v.optional(v.boolean()),
  sriov: v.optional(sriov),
  /** What it is for the host: names as the kernel gives them. */
  disk: v.optional(diskSchema),
  disks: v.optional(v.array(diskSchema), []),
  keyboards: v.optional(v.array(keyboard), []),
  net: v.optional(
    v.strictObject({
      ...netInterface,
      /** Directories between the device and `net`, each with its slash: that of a virtio or USB device. */
      under: v.optional(v.string(), ''),
    }),
  ),
  drm: v.optional(v.array(name), []),
  /** Frame buffer, such as fb0. */
  framebuffer: v.optional(name),
  sound: v.optional(name),
  video: v.optional(v.array(name), []),
  nodes: v.optional(v.array(name), []),
  entries: v.optional(v.record(v.string(), v.string()), {}),
});

/** A NUMA node, in the order of their numbers. */
const memoryNode = v.strictObject({
  total: size,
  /** What the host can spare besides huge pages; how much of it is in unbroken blocks, and how much can never be. */
  available: size,
  whole: v.optional(size),
  pinned: v.optional(size, '0B'),
  /** Huge pages that are there after boot. */
  pages: v.optional(
    v.array(v.strictObject({ size, count: v.pipe(v.number(), v.integer(), v.minValue(0)) })),
    [],
  ),
});

/** Types of mediated devices; what each is stands in simulator/spec.ts. */
const mdevType = v.strictObject({
  parent: name,
  type: name,
  name,
  instances: v.pipe(v.number(), v.minValue(1)),
  description: v.exactOptional(v.string()),
  deviceApi: v.exactOptional(name),
  share: v.exactOptional(v.strictObject({ takes: v.number(), of: v.number() })),
  card: v.exactOptional(address),
  module: v.exactOptional(name),
  onePerGuest: v.exactOptional(v.boolean()),
  values: v.exactOptional(v.record(v.string(), v.string())),
});

/** Owner, permissions in octal digits (`'0755'`), age and label of a file. */
const fileFacts = v.strictObject({
  uid: v.exactOptional(v.number()),
  gid: v.exactOptional(v.number()),
  mode: v.exactOptional(
    v.pipe(
      v.string('permissions are a text such as 0755, in quotation marks'),
      v.regex(/^[0-7]{4}$/, 'permissions have four octal digits, such as 0755'),
      v.transform((text) => parseInt(text, 8)),
    ),
  ),
  changedMs: v.exactOptional(v.number()),
  label: v.exactOptional(name),
});

export const descriptionSchema = v.strictObject({
  name,
  kernel: v.optional(v.picklist(kernelVersions), '6.12'),
  commandLine: v.optional(v.string(), 'quiet'),
  iommu: v.optional(v.boolean(), true),
  /** Whether the IOMMU checks the interrupts of devices. */
  interruptRemapping: v.exactOptional(v.boolean()),
  resizeRollback: v.optional(v.picklist(['full', 'weak', 'lost'])),
  firmwareKeepsBars: v.optional(v.boolean(), false),
  groupNumbers: v.optional(v.picklist(['lowest', 'next']), 'lowest'),
  /** Address space for BARs above 4 GiB. */
  window: v.optional(v.strictObject({ start: size, size }), { start: '512G', size: '512G' }),
  memory: v.optional(
    v.strictObject({
      nodes: v.pipe(v.array(memoryNode), v.minLength(1)),
      /** Sizes of huge pages, that of the default first. */
      sizes: v.optional(v.array(size), ['2M', '1G']),
      compacts: v.optional(v.boolean(), true),
    }),
  ),
  /** Its CPUs; absent: nothing is known of them. */
  cpus: v.exactOptional(
    v.strictObject({
      count: v.pipe(v.number(), v.integer(), v.minValue(1)),
      offline: v.optional(v.array(v.number()), []),
      hierarchy: v.optional(v.picklist(['v1', 'v2']), 'v2'),
      irqs: v.optional(
        v.array(
          v.strictObject({
            number: v.number(),
            name: v.optional(v.string(), ''),
            cpus: v.exactOptional(v.string()),
            managed: v.optional(v.boolean(), false),
            device: v.exactOptional(address),
          }),
        ),
        [],
      ),
    }),
  ),
  /** How the kernel sets the frequency of CPUs; absent: it does not. */
  cpufreq: v.exactOptional(
    v.strictObject({
      driver: name,
      policies: v.number(),
      cpus: v.optional(v.number(), 1),
      governors: v.array(name),
      governor: name,
      epp: v.exactOptional(name),
    }),
  ),
  /** vga, native, native-uefi, none, or the firmware's frame buffer by its platform device. */
  console: v.optional(name, 'native'),
  /** Modules that are loaded besides those of the drivers in use. */
  loaded: v.optional(v.array(name), []),
  /** NVIDIA's driver, with all of its modules: absent, only that of cards which are on it. */
  nvidia: v.exactOptional(v.strictObject({ version: name, modeset: v.optional(v.boolean(), false) })),
  /** Drivers other than vfio-pci that hand one kind of device to guests, with what they take. */
  variants: v.optional(v.array(v.strictObject({ driver: name, id: ids })), []),
  /** Version of libvirt that is installed, as in libvirt-11.3.0. */
  libvirt: v.optional(v.pipe(v.string(), v.regex(/^\d+\.\d+\.\d+$/, 'a version has the form 11.3.0'))),
  mdev: v.optional(v.array(mdevType), []),
  /** Names of keyboards on the board's own controller (i8042). */
  keyboards: v.optional(v.array(v.string()), []),
  /** Interfaces that are no devices, and what they are on. */
  interfaces: v.optional(
    v.array(
      v.strictObject({
        ...netInterface,
        kind: v.picklist(['bridge', 'bond', 'team', 'vlan', 'macvlan', 'tun']),
        over: v.optional(v.array(name), []),
      }),
    ),
    [],
  ),
  processes: v.optional(v.array(process), []),
  /** Units of systemd besides those of processes, and what they are when the machine has started. */
  units: v.optional(
    v.array(
      v.strictObject({
        name,
        user: v.exactOptional(v.number()),
        active: v.optional(v.picklist(['active', 'inactive', 'failed']), 'active'),
        startLimit: v.exactOptional(v.number()),
        stopMs: v.exactOptional(v.number()),
        after: v.exactOptional(name),
        queued: v.exactOptional(v.literal(true)),
      }),
    ),
    [],
  ),
  /** Sessions of logind, with the unit that ends them. */
  logins: v.optional(
    v.array(
      v.strictObject({
        id: name,
        user: name,
        uid: v.number(),
        service: name,
        type: v.picklist(['x11', 'wayland', 'tty', 'unspecified']),
        class: v.optional(v.picklist(['user', 'greeter']), 'user'),
        seat: v.exactOptional(name),
        manager: v.exactOptional(name),
      }),
    ),
    [],
  ),
  files: v.optional(v.record(v.string(), v.string()), {}),
  fileFacts: v.optional(v.record(v.string(), fileFacts), {}),
  devices: v.array(device),
});

/** A description as it stands in the file, with defaults filled in and sizes as numbers. */
export type Description = v.InferOutput<typeof descriptionSchema>;
export type DeviceDescription = Description['devices'][number];
/** A description as it is written. */
export type WrittenDescription = v.InferInput<typeof descriptionSchema>;
export type WrittenDevice = WrittenDescription['devices'][number];

function powersOfTwo(first: number, last: number): number[] {
  const sizes = [];
  for (let each = first; each <= last; each *= 2) sizes.push(each);
  return sizes;
}
