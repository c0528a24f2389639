import { firmwareBelow } from './view-platform.ts';
import { hasVfioDevice } from './groups.ts';
import { mdevEntries } from './mdev.ts';
import { profileOf } from './profile.ts';
import { profileEntries } from './function-profile.ts';
import { setResetMethods } from './power.ts';
import type { LinkSpec } from './spec.ts';
import { devicePath, driverOf, isBridge, type Device, type MachineState } from './state.ts';
import { vfsOf } from './sriov.ts';
import { barAttributes, sriovAttributes } from './view-resources.ts';
import { cString, kernelNumber, writtenName } from './text.ts';
import { directory, link, overlay, text, textTree, type Directory, type File, type Node } from './tree.ts';
import { vfInterfaceFiles } from './vf-network.ts';
import { isVendorFunction, vgpuDirectory } from './vgpu.ts';
import { busLock, deviceLock, done, failed, then, type Outcome, type Work } from './work.ts';

const PAGE = 4096;

/** Whether a driver of the host, and no stub, shows what the device is: nodes, interfaces, disks. */
export function isInService(state: MachineState, device: Device): boolean {
  const driver = driverOf(state, device)?.spec;
  return device.linked && driver?.dma === 'native';
}

/** What a driver of the host shows of a device, as in a spec: also of what it has made itself. */
export function serviceEntries(state: MachineState, device: Device): Readonly<Record<string, string>> {
  if (device.spec.physicalFunction === undefined) return device.spec.entries;
  return { ...device.spec.entries, ...vfInterfaceFiles(state, device) };
}

/** A device's directory with its attributes, and the devices behind it. */
export function deviceDirectory(state: MachineState, device: Device): Directory {
  const entries: Record<string, Node | (() => Node)> = {
    ...identity(state, device),
    ...binding(state, device),
    ...power(state, device),
    ...barAttributes(state, device),
    ...(device.spec.sriov ? sriovAttributes(state, device) : {}),
    ...mdevEntries(state, device.spec.address),
    ...firmwareBelow(state, device),
  };
  const physical = state.devices[device.spec.physicalFunction ?? ''];
  if (physical) entries['physfn'] = link(devicePath(state, physical));
  if (device.group !== undefined) {
    entries['iommu_group'] = link(`/sys/kernel/iommu_groups/${device.group}`);
  }
  for (const child of Object.values(state.devices)) {
    if (child.spec.behind === device.spec.address) {
      entries[child.spec.address] = () => deviceDirectory(state, child);
    }
  }
  const own = directory(entries);
  if (!isInService(state, device)) return own;
  const parts = device.spec.sriov ? [device, ...vfsOf(state, device)] : [];
  const dealt = directory(
    profileEntries(
      device,
      parts.map((each) => devicePath(state, each)),
    ),
  );
  return overlay(overlay(own, dealt), textTree(serviceEntries(state, device)));
}

function identity(state: MachineState, device: Device): Record<string, Node> {
  const { spec } = device;
  const modalias = (): string => {
    const up = (digits: string): string => `0000${digits}`.toUpperCase();
    const [base, sub, programming] = [0, 2, 4].map((at) => spec.class.slice(at, at + 2).toUpperCase());
    return (
      `pci:v${up(spec.vendor)}d${up(spec.device)}sv${up(spec.subsystemVendor)}sd${up(spec.subsystemDevice)}` +
      `bc${base ?? ''}sc${sub ?? ''}i${programming ?? ''}`
    );
  };
  const uevent = (): string =>
    [
      ...(device.linked && device.driver !== undefined ? [`DRIVER=${device.driver}`] : []),
      `PCI_CLASS=${parseInt(spec.class, 16).toString(16).toUpperCase().padStart(4, '0')}`,
      `PCI_ID=${spec.vendor}:${spec.device}`.toUpperCase(),
      `PCI_SUBSYS_ID=${spec.subsystemVendor}:${spec.subsystemDevice}`.toUpperCase(),
      `PCI_SLOT_NAME=${spec.address}`,
      `MODALIAS=${modalias()}`,
      '',
    ].join('\n');
  const line = (value: string): File => text(() => `${value}\n`);
  return {
    vendor: line(`0x${spec.vendor}`),
    device: line(`0x${spec.device}`),
    subsystem_vendor: line(`0x${spec.subsystemVendor}`),
    subsystem_device: line(`0x${spec.subsystemDevice}`),
    class: line(`0x${spec.class}`),
    revision: line(`0x${spec.revision}`),
    modalias: text(() => `${modalias()}\n`),
    uevent: {
      kind: 'file',
      text: uevent,
      ...(profileOf(state.spec.kernel).lockedOverride && { readLock: deviceLock(device.uid) }),
    },
    numa_node: line(String(spec.numaNode ?? -1)),
    ...(spec.link && linkAttributes(spec.link)),
    config: { kind: 'file', text: () => '', bytes: () => configSpace(state, device) },
    subsystem: link('/sys/bus/pci'),
    ...(isBridge(spec) && busNumbers(state, device)),
    ...(spec.class.startsWith('0300') && { boot_vga: line(spec.bootVga ? '1' : '0') }),
  };
}

/** Only bridges have them (drivers/pci/pci-sysfs.c:pci_bridge_attrs_are_visible). */
function busNumbers(state: MachineState, { spec }: Device): Record<string, Node> {
  const buses = Object.values(state.devices)
    .filter((each) => each.spec.behind === spec.address)
    .map((each) => parseInt(each.spec.address.split(':')[1] ?? '0', 16));
  return {
    secondary_bus_number: text(() => `${Math.min(...buses, 255)}\n`),
    subordinate_bus_number: text(() => `${Math.max(...buses, 0)}\n`),
  };
}

/** drivers/pci/pci-sysfs.c: current_link_speed_show and its neighbours; only PCI Express devices have them. */
function linkAttributes({ speed, width, maxSpeed, maxWidth }: LinkSpec): Record<string, Node> {
  const words = (gigatransfers: number): string => `${gigatransfers.toFixed(1)} GT/s PCIe\n`;
  return {
    current_link_speed: text(() => words(speed)),
    current_link_width: text(() => `${width}\n`),
    max_link_speed: text(() => words(maxSpeed)),
    max_link_width: text(() => `${maxWidth}\n`),
  };
}

function binding(state: MachineState, device: Device): Record<string, Node> {
  const { uid } = device;
  const locked = profileOf(state.spec.kernel).lockedOverride;
  const entries: Record<string, Node> = {
    driver_override: {
      kind: 'file',
      uid,
      text: () => `${device.driverOverride ?? '(null)'}\n`,
      ...(locked && { readLock: deviceLock(uid) }),
      store: (data) => storeOverride(data, uid, locked),
    },
  };
  if (device.linked && device.driver !== undefined) {
    entries['driver'] = link(`/sys/bus/pci/drivers/${device.driver}`);
    if (hasVfioDevice(state, device) && profileOf(state.spec.kernel).vfioDev) {
      entries['vfio-dev'] = directory({ [`vfio${uid}`]: directory({}) });
    }
  }
  if (isVendorFunction(device)) entries['nvidia'] = vgpuDirectory(state, device);
  if (device.spec.physicalFunction === undefined) {
    const rescans: File = { kind: 'file', uid, store: (data) => storeOne(data, [{ do: 'rescan' }]) };
    entries['rescan'] = rescans;
    entries['remove'] = {
      kind: 'file',
      uid,
      store: (data) => storeOne(data, [{ do: 'remove-tree', uid, keep: true }]),
    };
  }
  return entries;
}

/**
 * driver_override (drivers/base/driver.c:driver_set_override and its successor): cut at the first newline,
 * cleared when nothing is left, at most a page less two bytes. Nothing checks that such a driver exists.
 */
function storeOverride(data: string, uid: number, locked: boolean): Outcome {
  if (Buffer.byteLength(data) >= PAGE - 1) return failed('EINVAL');
  const [value = ''] = cString(data).split('\n');
  const work: Work = { do: 'override', uid, text: value };
  return locked ? then({ do: 'lock', key: deviceLock(uid) }, work) : then(work);
}

/** A store function that reads a number and does nothing for 0, under the bus lock. */
export function storeOne(data: string, work: readonly Work[]): Outcome {
  const value = kernelNumber(data, Number.MAX_SAFE_INTEGER);
  if (typeof value === 'string') return failed('EINVAL');
  return value === 0 ? done : then({ do: 'lock', key: busLock }, ...work);
}

function power(state: MachineState, device: Device): Record<string, Node> {
  const { uid } = device;
  const key = deviceLock(uid);
  const control = (data: string): Outcome => {
    const value = writtenName(data);
    if (value !== 'auto' && value !== 'on') return failed('EINVAL');
    return then({ do: 'lock', key }, { do: 'set-power', uid, value });
  };
  const enable = (data: string): Outcome => {
    const value = kernelNumber(data, Number.MAX_SAFE_INTEGER);
    if (typeof value === 'string') return failed('EINVAL');
    return then({ do: 'lock', key }, { do: 'enable', uid, on: value !== 0 });
  };
  const reset = (data: string): Outcome => {
    if (kernelNumber(data, Number.MAX_SAFE_INTEGER) !== 1) return failed('EINVAL');
    return then({ do: 'lock', key }, { do: 'reset', uid });
  };
  const entries: Record<string, Node> = {
    power: directory({
      control: { kind: 'file', uid, text: () => `${device.powerControl}\n`, store: control },
      runtime_status: text(() => (device.powerState.startsWith('D3') ? 'suspended\n' : 'active\n')),
    }),
    power_state: text(() => `${device.powerState}\n`),
    enable: { kind: 'file', uid, text: () => `${device.enabled}\n`, store: enable },
    d3cold_allowed: {
      kind: 'file',
      uid,
      text: () => `${device.d3coldAllowed ? 1 : 0}\n`,
      store: (data) => {
        const value = kernelNumber(data, Number.MAX_SAFE_INTEGER);
        if (typeof value === 'string') return failed('EINVAL');
        device.d3coldAllowed = value !== 0;
        return done;
      },
    },
  };
  // Both files exist only when a method worked as the device was added.
  if (device.resettable) {
    entries['reset'] = { kind: 'file', uid, store: reset };
    entries['reset_method'] = {
      kind: 'file',
      uid,
      text: () => `${device.resetMethods.join(' ')}\n`,
      store: (data) => {
        const errno = setResetMethods(state, device, cString(data));
        return errno === undefined ? done : failed(errno);
      },
    };
  }
  return entries;
}

/** The first 64 bytes of configuration space; all ones when the card does not answer. */
function configSpace(state: MachineState, device: Device): Uint8Array {
  const bytes = new Uint8Array(64);
  if (device.powerState === 'D3cold') return bytes.fill(0xff);
  const { spec } = device;
  const word = (at: number, digits: string): void => {
    bytes[at] = parseInt(digits.slice(-2), 16);
    bytes[at + 1] = parseInt(digits.slice(-4, -2), 16);
  };
  // A virtual function's ids are those of its card, with which it answers for all of them.
  word(0x00, spec.physicalFunction === undefined ? spec.vendor : 'ffff');
  word(0x02, spec.physicalFunction === undefined ? spec.device : 'ffff');
  bytes[0x04] = device.enabled > 0 ? 0x07 : 0x00;
  bytes[0x08] = parseInt(spec.revision, 16);
  for (const at of [0, 1, 2]) bytes[0x0b - at] = parseInt(spec.class.slice(at * 2, at * 2 + 2), 16);
  const slot = spec.address.slice(0, -1);
  const multifunction = Object.keys(state.devices).some(
    (other) => other.startsWith(slot) && other !== spec.address,
  );
  bytes[0x0e] = (isBridge(spec) ? 1 : 0) + (multifunction ? 0x80 : 0);
  if (!isBridge(spec)) {
    word(0x2c, spec.subsystemVendor);
    word(0x2e, spec.subsystemDevice);
  }
  return bytes;
}
