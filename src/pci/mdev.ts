import { parsePciAddress } from './address.ts';

/** A type of mediated devices that a parent offers (Documentation/driver-api/vfio-mediated-device.rst). */
export interface MdevType {
  /** Directory below mdev_supported_types: `i915-GVTg_V5_4`, `nvidia-593`. */
  readonly id: string;
  /** What its maker calls it: `GVTg_V5_4`, `NVIDIA A10-4Q`; empty: nothing. */
  readonly name: string;
  /** In one line, empty when the driver gives none. */
  readonly description: string;
  /** What it is for QEMU: `vfio-pci`, `vfio-ccw`, `vfio-ap`. */
  readonly deviceApi: string;
  /** How many more can be made now. */
  readonly available: number;
}

/** Something whose driver makes mediated devices. */
export interface MdevParent {
  /** As below /sys/class/mdev_bus: the address of a PCI device, or a name on another bus. */
  readonly name: string;
  /** Empty: none, or none that shows. */
  readonly driver: string;
  readonly types: readonly MdevType[];
  /** UUIDs of what was made of it, also of one that is leaving. */
  readonly devices: readonly string[];
}

/** A mediated device: its parent and the id of its type. */
export type Mdev = Readonly<{ parent: string; type: string }>;

/** What is to be written to files of a new device, in this order: path below it, and value. */
export type MdevAttributes = readonly (readonly [name: string, value: string])[];

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether a name is a UUID as the kernel prints it. */
export function isMdevUuid(name: string): boolean {
  return UUID.test(name);
}

/** What the kernel may call a parent: it becomes part of a path. */
export function isParentName(text: string): boolean {
  return /^[A-Za-z0-9][\w:.@-]{0,127}$/.test(text) && text !== AUTO;
}

/** What the kernel may call a type: the driver's name, a dash, and the driver's own name of the type (mdev_sysfs.c). */
export function isTypeId(text: string): boolean {
  return /^[A-Za-z0-9][\w.+-]{0,127}$/.test(text);
}

/** A type as people write it, by its id or by its name. */
export const MDEV_TYPE = /^[A-Za-z0-9][\w.+ -]{0,127}$/;

/** Stands for a parent that is chosen as the device is made. */
export const AUTO = 'auto';

/** A parent as it is written, in the kernel's spelling where it is a PCI device. Undefined: no such name. */
export function parseParent(text: string): string | undefined {
  return parsePciAddress(text) ?? (isParentName(text) ? text : undefined);
}

/**
 * A path below a device that may be a file of its parent's driver, such as `nvidia/vgpu_params`. What is the kernel's own in
 * that directory, or leads out of it, is not.
 */
export const ATTRIBUTE_PATH =
  /^(?!(?:constructor|prototype|driver|iommu_group|mdev_type|power|remove|subsystem|uevent|vfio-dev)(?:\/|$))[A-Za-z_][\w.-]{0,63}(?:\/[A-Za-z0-9_][\w.-]{0,63}){0,3}$/;

/** What fits into one write of one line. */
export const ATTRIBUTE_VALUE = /^[ -~\u00a0-\u2027\u202a-\uffff]{1,4000}$/;

/** A list of attributes as one text, as claims keep it; {@link parseAttributes} reads it. */
export function attributesText(attributes: MdevAttributes): string {
  return JSON.stringify(attributes);
}

/** The list in a text of {@link attributesText}; undefined when it is none. */
export function parseAttributes(text: string): MdevAttributes | undefined {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return undefined;
  }
  return Array.isArray(list) && list.every(isAttribute) ? list : undefined;
}

function isAttribute(entry: unknown): entry is MdevAttributes[number] {
  if (!Array.isArray(entry) || entry.length !== 2) return false;
  const [name, value] = entry as readonly unknown[];
  return (
    typeof name === 'string' &&
    typeof value === 'string' &&
    ATTRIBUTE_PATH.test(name) &&
    ATTRIBUTE_VALUE.test(value)
  );
}

/** Whether what somebody has written names a type: by its id, or by its name with or without its maker in front. */
export function isCalled({ id, name }: Pick<MdevType, 'id' | 'name'>, wanted: string): boolean {
  const plain = (text: string): string => text.toLowerCase().replace(/^(?:nvidia|grid) /, '');
  return id === wanted || (name !== '' && plain(name) === plain(wanted));
}

/** A type in a sentence: `i915-GVTg_V5_4`, `nvidia-593 (NVIDIA A10-4Q)`. */
export function typeWords({ id, name }: Pick<MdevType, 'id' | 'name'>): string {
  return name === '' || id.endsWith(name) ? id : `${id} (${name})`;
}
