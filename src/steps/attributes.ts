import type { Host } from '../host/host.ts';
import { readPoolPages } from '../observe/hugepages.ts';
import { readIrqAffinity } from '../observe/irqs.ts';
import { openVgpu, readOfVgpu } from '../observe/vgpu.ts';
import { openFunction, virtualFunctions } from '../observe/virtual-functions.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { poolOf, poolWords } from '../pci/hugepages.ts';
import { cpuMask } from '../pci/irq.ts';
import { command, type Hint } from '../hint.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { AttributeKey, AttributeName } from './step.ts';

/** How one attribute of the kernel is written, read back and spoken of. */
export interface Attribute<Key> {
  path(key: Key): string;
  /** What it is, as a person would say it: `driver override of 0000:03:00.0`. */
  describe(key: Key): string;
  /** What it is called where its text is quoted: `driver_override`. */
  readonly name: string;
  /** Reading it takes the device's lock. */
  readonly locked?: true;
  /** What the kernel prints when it is cleared; absent: the empty text. */
  readonly unset?: string;
  /** Its text is a list of words, separated by spaces. */
  readonly list?: true;
  /** What counts in place of its text, where that says something else; undefined: it is not there. */
  value?(host: Host, key: Key): string | undefined;
  /** What is wrong with a value that is not the one that was written; absent: what it reads. */
  otherwise?(now: string, to: string): string;
  /** Why it must not be written right now. */
  hindrance?(host: Host, key: Key, to: string): string | undefined;
  /** What shows that it is not so although it reads as it was written. */
  belied?(host: Host, key: Key, to: string): string | undefined;
  /** Why there is none. */
  absent(key: Key): string;
  /** What further errnos of the write mean here. */
  readonly errnos?: Readonly<Record<string, string>>;
  /** Those that pass by themselves: the write is made again, a few times. */
  readonly passing?: readonly string[];
  /** Refusals that are no failure: it stays as it is, and that is said. */
  readonly pardoned?: readonly string[];
  /** Where more is to be found when a write is refused. */
  readonly hint?: Hint;
}

/**
 * The only place that says how an attribute is set. A row that is missing does not compile; what its key is stands in
 * src/steps/step.ts.
 */
export const attributes: { readonly [A in AttributeName]: Attribute<AttributeKey<A>> } = {
  /**
   * Documentation/ABI/testing/sysfs-bus-pci. Linux 6.1 takes the device's lock for the read
   * (drivers/pci/pci-sysfs.c:driver_override_show). A newline clears it: an empty write never reaches the kernel
   * (fs/sysfs/file.c:sysfs_kf_write).
   */
  'driver-override': {
    ...ofDevice('driver_override', 'driver override'),
    locked: true,
    unset: '(null)',
    errnos: { EINVAL: 'the kernel takes no such driver name' },
  },
  /**
   * Runtime power management: vfio-pci turns it to `auto` when it binds and to `on` when it lets go
   * (drivers/vfio/pci/vfio_pci_core.c:vfio_pci_core_register_device, …_unregister_device).
   */
  'power-control': ofDevice('power/control', 'power control'),
  /** Documentation/ABI/testing/sysfs-bus-pci; Linux 5.15. */
  'reset-methods': {
    ...ofDevice('reset_method', 'reset methods'),
    list: true,
    errnos: { EINVAL: 'the device does not have one of these methods' },
  },
  /**
   * Documentation/ABI/testing/sysfs-bus-pci. The write wakes the device (drivers/pci/pci-sysfs.c:d3cold_allowed_store); a
   * kernel without power management or ACPI does not have it.
   */
  'd3cold-allowed': ofDevice('d3cold_allowed', 'd3cold_allowed'),
  /** The kernel takes `Y` and `1` for the same and prints `Y` (kernel/params.c:param_set_bool, param_get_bool). */
  'module-parameter': {
    path: (key) => {
      const { module, parameter } = parameterOf(key);
      return sysfs.moduleParameter(module, parameter);
    },
    describe: (key) => {
      const { module, parameter } = parameterOf(key);
      return `parameter ${parameter} of ${module}`;
    },
    name: 'the parameter',
    absent: (key) => `${parameterOf(key).module} is not loaded, or has no such parameter`,
    errnos: { EACCES: 'the parameter cannot be changed', EROFS: '/sys cannot be written to' },
  },
  /**
   * What is written is how many pages the pool is to keep; what is read has those as well that are only lent to it while
   * they are in use (surplus). The kernel makes as many as it can, and answers with a success all the same
   * (mm/hugetlb.c:set_max_huge_pages, nr_hugepages_show_common).
   */
  hugepages: {
    path: (key) => sysfs.hugepages(poolOf(key), 'nr_hugepages'),
    describe: (key) => poolWords(poolOf(key)),
    name: 'nr_hugepages',
    value: (host, key) => readPoolPages(host, poolOf(key))?.toString(),
    otherwise: (now, to) =>
      Number(now) < Number(to)
        ? `there is unbroken memory for ${now} only`
        : `the pool has ${now} pages afterwards`,
    absent: () => 'this kernel has no such pool',
    errnos: { EINVAL: 'this kernel makes no pages of that size while it runs' },
  },
  /**
   * The write never fails: what cannot be is passed over in silence (drivers/tty/vt/vt.c:store_bind), such as to unbind a
   * console when no other can take its place.
   */
  'console-bound': {
    path: (key) => sysfs.console(key, 'bind'),
    describe: (key) => `binding of text console ${key}`,
    name: 'bind',
    otherwise: (_now, to) =>
      to === '0'
        ? 'it stays bound: no other console can take its place'
        : 'the kernel does not bind it again',
    absent: () => 'it is not there any more',
  },
  /** The kernel loads a governor that is a module (drivers/cpufreq/cpufreq.c:store_scaling_governor, cpufreq_parse_governor). */
  governor: {
    path: (key) => sysfs.frequencyPolicy(key, 'scaling_governor'),
    describe: (key) => `governor of CPU frequency ${key}`,
    name: 'scaling_governor',
    absent: noPolicy,
    errnos: {
      EINVAL: 'the kernel offers no such governor for these CPUs',
      EBUSY: 'all its CPUs are offline',
    },
  },
  /** drivers/cpufreq/intel_pstate.c and amd-pstate.c: store_energy_performance_preference. */
  'energy-preference': {
    path: (key) => sysfs.frequencyPolicy(key, 'energy_performance_preference'),
    describe: (key) => `energy-performance preference of CPU frequency ${key}`,
    name: 'energy_performance_preference',
    absent: noPolicy,
    errnos: {
      EINVAL: 'the driver knows no such preference',
      EBUSY: 'the governor performance allows no other, or all its CPUs are offline',
    },
  },
  /**
   * kernel/irq/proc.c:write_irq_affinity. The kernel moves some by itself (managed interrupts) and others not at all: EIO, and
   * EPERM since Linux 6.12. One that is gone needs no place. What is read is what was written, wherever it goes in the end
   * (effective_affinity_list).
   */
  'irq-affinity': {
    path: sysfs.irqAffinity,
    describe: (key) => `affinity of interrupt ${key}`,
    name: 'smp_affinity_list',
    absent: () => 'there is no such interrupt any more',
    pardoned: ['EIO', 'EPERM', 'ENOENT', 'ENODEV', 'ENXIO'],
    errnos: {
      EIO: 'the kernel moves it by itself, or not at all',
      EPERM: 'the kernel moves it by itself, or not at all',
      EINVAL: 'none of these CPUs is online',
      ENOSPC: 'these CPUs have no room for more interrupts: leave more of them to the host',
    },
  },
  /** kernel/irq/proc.c:default_affinity_write. Interrupts that are there stay where they are. */
  'default-irq-affinity': {
    path: () => sysfs.defaultIrqAffinity,
    describe: () => 'affinity of new interrupts (mask)',
    name: 'default_smp_affinity',
    value: (host, key) => {
      const list = readIrqAffinity(host, key);
      return list === undefined ? undefined : cpuMask(list);
    },
    absent: () => 'this kernel has no such file',
    errnos: { EINVAL: 'none of these CPUs is online' },
  },
  /**
   * drivers/pci/iov.c:sriov_numvfs_store. Reading it takes the lock of the device. A write of 0 waits for whoever has a
   * virtual function open, with that lock and with the one for all of the bus: every rescan and every other card waits then.
   */
  vfs: {
    ...ofDevice('sriov_numvfs', 'number of virtual functions'),
    locked: true,
    hindrance: (host, device, to) => (to === '0' ? openFunction(host, device) : undefined),
    // A link to a function goes before the function does (iov.c:pci_iov_remove_virtfn).
    belied: (host, device, to) => {
      const [left] = to === '0' ? virtualFunctions(host, device) : [];
      return left && `${left} is still there`;
    },
    errnos: {
      ENOENT: 'its driver makes no virtual functions',
      EBUSY: 'it has others already, or its driver is in a mode that allows none',
      ERANGE: 'it cannot have so many',
      ENOMEM:
        'the firmware has left no room for their memory or their bus numbers: in its setup, turn on "Above 4G decoding" and SR-IOV',
      EPERM: 'its driver is in a mode that allows none',
      EUSERS: 'its driver is in a mode that allows none',
      ECANCELED: 'its driver has given the card up: dmesg | tail',
    },
  },
  /** Off, a virtual function is for a driver that its override names, and for no other (pci-driver.c:pci_device_can_probe). */
  'vfs-autoprobe': ofDevice('sriov_drivers_autoprobe', 'automatic drivers of virtual functions'),
  /**
   * NVIDIA's own VFIO framework. A type becomes another one by way of 0. While the guest that had it ends, 0 is EPERM:
   * its end clears the type as well, a moment later.
   */
  'vgpu-type': {
    ...ofDevice('nvidia/current_vgpu_type', 'vGPU type'),
    hindrance: openVgpu,
    absent: () => 'it is not on the driver nvidia any more',
    passing: ['EPERM', 'EBUSY'],
    errnos: {
      EIO: 'the card cannot make this type now, or its driver failed',
      EPERM: 'the driver is not done with the guest that had it',
      EBUSY: 'it has another type, or the driver is at work on it',
      EINVAL: 'the driver knows no such type',
      ENXIO: 'the driver has lost it: its card has to make its virtual functions again',
    },
    hint: command('journalctl -b -u nvidia-vgpu-mgr -u nvidia-vgpud'),
  },
  /**
   * Whether a card can be taken from NVIDIA's vGPU host driver, asked before its remove() would wait for whoever has it
   * open, without end. It is given at the end of the write, if nobody has; what it reads then is the answer
   * (kernel-open/nvidia/nv-procfs.c:nv_procfs_close_unbind_lock).
   */
  'unbind-lock': {
    path: sysfs.unbindLock,
    describe: (device) => `unbind lock of ${device}`,
    name: 'unbindLock',
    locked: true,
    otherwise: (now, to) =>
      to === '1'
        ? 'somebody has the card open: nvidia-persistenced, a monitor such as dcgm-exporter, or a program that computes (fuser -v /dev/nvidia* names it)'
        : `it reads ${JSON.stringify(now)}`,
    absent: () => 'the card is not on the driver nvidia any more',
  },
  /** After the type, and before the guest has it. Reading it is ENXIO without a type. */
  'vgpu-params': {
    ...ofDevice('nvidia/vgpu_params', 'vGPU parameters'),
    value: (host, device) => readOfVgpu(host, device, 'vgpu_params'),
    hindrance: openVgpu,
    absent: () => 'the driver has no such file, or there is no vGPU on it',
    errnos: {
      EINVAL: 'the driver does not know one of them',
      EPERM: 'a guest has the vGPU already',
      ENXIO: 'there is no vGPU on it',
    },
  },
  /** Documentation/ABI/testing/sysfs-driver-intel-xe-sriov; a list of words has the chosen one in brackets. */
  'vf-resource': {
    path: (key) => {
      const { card, file } = shareOf(key);
      return sysfs.attribute(card, file);
    },
    describe: (key) => {
      const { card, file } = shareOf(key);
      return `${file.replace(/^.*?(?:sriov_admin|prelim_iov)\//, '').replace('/profile/', ' ')} of ${card}`;
    },
    name: 'the share',
    value: (host, key) => {
      const { card, file } = shareOf(key);
      const text = host.read(sysfs.attribute(card, file));
      return text && (/\[(\w+)\]/.exec(text)?.[1] ?? text);
    },
    absent: () => 'the driver of the card has no such share to deal out',
    errnos: {
      EACCES: 'the driver has fixed it',
      EIO: 'the firmware of the card has refused it',
      EINVAL: 'the driver takes no such value',
      ENOSPC: 'the card has not so much left',
      EOPNOTSUPP: 'it is not for a single function',
      EBUSY: 'the function is in use',
    },
  },
};

function noPolicy(key: string): string {
  return `${key} is gone, or its driver has no such attribute`;
}

function ofDevice(name: string, words: string): Attribute<PciAddress> {
  return {
    path: (device) => sysfs.attribute(device, name),
    describe: (device) => `${words} of ${device}`,
    name,
    absent: () => 'the device is gone from the bus',
  };
}

/** The file of an attribute by a key that is known to be of its sort. */
export function attributePath(attribute: AttributeName, key: string): string {
  return (attributes[attribute] as Attribute<string>).path(key);
}

/** What the key of a `vf-resource` says: a card, and a file below its directory. */
export function shareOf(key: string): { readonly card: PciAddress; readonly file: string } {
  const [address = '', file = ''] = key.split(' ');
  const card = parsePciAddress(address);
  if (!card) throw new Error(`${JSON.stringify(key)} begins with no PCI address`);
  return { card, file };
}

/** What the key of a `module-parameter` says. */
export function parameterOf(key: string): { readonly module: string; readonly parameter: string } {
  const [module = '', parameter = ''] = key.split(' ');
  return { module, parameter };
}
