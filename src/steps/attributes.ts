import type { PciAddress } from '../pci/address.ts';
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
  /** Why there is none. */
  absent(key: Key): string;
  /** What further errnos of the write mean here. */
  readonly errnos?: Readonly<Record<string, string>>;
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
};

function ofDevice(name: string, words: string): Attribute<PciAddress> {
  return {
    path: (device) => sysfs.attribute(device, name),
    describe: (device) => `${words} of ${device}`,
    name,
    absent: () => 'the device is gone from the bus',
  };
}

/** What the key of a `module-parameter` says. */
export function parameterOf(key: string): { readonly module: string; readonly parameter: string } {
  const [module = '', parameter = ''] = key.split(' ');
  return { module, parameter };
}
