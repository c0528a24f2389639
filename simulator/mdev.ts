import { isViableParent } from './mdev-parent.ts';
import { faultDelay, nextFault } from './faults.ts';
import { newGroup } from './groups.ts';
import type { MdevTypeSpec } from './spec.ts';
import { devicePath, type MachineState, type Mdev } from './state.ts';
import { kernelNumber, writtenName } from './text.ts';
import { directory, link, text, textTree, overlay, type Directory, type Node } from './tree.ts';
import { done, failed, then, type Outcome, type Work } from './work.ts';
import type { Errno } from './errno.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Bus driver of mediated devices that are for VFIO, where the parent's driver brings none of its own. */
const VFIO_MDEV = 'vfio_mdev';

/**
 * /sys/class/mdev_bus (drivers/vfio/mdev/mdev_core.c:mdev_register_parent): a link for each parent that is a PCI device,
 * and the directory itself for one that is not.
 */
export function mdevBus(state: MachineState): Record<string, Node> {
  return Object.fromEntries(
    parentsNow(state).map((name) => [
      name,
      state.devices[name]
        ? link(devicePath(state, state.devices[name]))
        : directory({ ...mdevEntries(state, name) }),
    ]),
  );
}

/** What a parent has in its directory: its types, and the devices that were made of it, also while one is leaving. */
export function mdevEntries(state: MachineState, parent: string): Record<string, Node> {
  const types = typesOf(state, parent);
  const devices = Object.entries(state.mdevs).filter(([, mdev]) => mdev.parent === parent);
  return {
    ...(types.length > 0 && {
      mdev_supported_types: directory(
        Object.fromEntries(types.map((type) => [type.type, () => typeDirectory(state, type)])),
      ),
    }),
    ...Object.fromEntries(devices.map(([uuid, mdev]) => [uuid, mdevDirectory(state, uuid, mdev)])),
  };
}

/** /sys/bus/mdev/devices: a device's link is gone as soon as it is being removed (drivers/base/bus.c:bus_remove_device). */
export function mdevDevices(state: MachineState): Directory {
  return directory(
    Object.fromEntries(
      Object.entries(state.mdevs)
        .filter(([, { leaving }]) => leaving === undefined)
        .map(([uuid, mdev]): [string, Node] => [uuid, link(mdevPath(state, uuid, mdev))]),
    ),
  );
}

/** Where a mediated device's directory really is: in its parent's. */
export function mdevPath(state: MachineState, uuid: string, { parent }: Mdev): string {
  const device = state.devices[parent];
  return `${device ? devicePath(state, device) : `/sys/class/mdev_bus/${parent}`}/${uuid}`;
}

/** The pieces that take every device away that was made of a parent (mdev_unregister_parent), as its driver leaves. */
export function unregisterParent(state: MachineState, parent: string): Work[] {
  return Object.entries(state.mdevs)
    .filter(([, mdev]) => mdev.parent === parent)
    .map(([uuid, mdev]): Work => {
      mdev.leaving = true;
      return { do: 'mdev-gone', uuid };
    });
}

/** Opens a mediated device as QEMU does: its group, then the device. Undefined: it is open. */
export function openMdev(state: MachineState, uuid: string, pid: number): Errno | undefined {
  const mdev = state.mdevs[uuid];
  const group = mdev && mdev.leaving === undefined ? state.groups[mdev.group] : undefined;
  if (!mdev || !group) return 'ENOENT';
  if (group.openedBy !== undefined && group.openedBy !== pid) return 'EBUSY';
  // One of GVT-g's for each guest (drivers/gpu/drm/i915/gvt/kvmgt.c:intel_vgpu_open_device).
  const type = typeOf(state, mdev);
  const hasAnother = Object.entries(state.mdevs).some(
    ([other, { parent, group: number }]) =>
      other !== uuid && parent === mdev.parent && state.groups[number]?.openedBy === pid,
  );
  if (type?.onePerGuest === true && hasAnother) return 'EEXIST';
  group.openedBy = pid;
  group.ownedBy = pid;
  return undefined;
}

function parentsNow(state: MachineState): string[] {
  const named = [...new Set(state.spec.mdevTypes.map(({ parent }) => parent))];
  return named.filter((parent) => typesOf(state, parent).length > 0);
}

function typesOf(state: MachineState, parent: string): MdevTypeSpec[] {
  return state.spec.mdevTypes.filter(
    (type) => type.parent === parent && isViableParent(state, parent, type.module),
  );
}

function typeOf(state: MachineState, mdev: Mdev): MdevTypeSpec | undefined {
  return state.spec.mdevTypes.find(({ parent, type }) => parent === mdev.parent && type === mdev.type);
}

/** drivers/vfio/mdev/mdev_sysfs.c. */
function typeDirectory(state: MachineState, type: MdevTypeSpec): Directory {
  const devices = Object.entries(state.mdevs).filter(
    ([, mdev]) => mdev.parent === type.parent && mdev.type === type.type && mdev.leaving === undefined,
  );
  return directory({
    name: text(() => `${type.name}\n`),
    device_api: text(() => `${type.deviceApi ?? 'vfio-pci'}\n`),
    available_instances: text(() => `${available(state, type)}\n`),
    ...(type.description !== undefined && { description: text(() => `${type.description ?? ''}\n`) }),
    devices: directory(
      Object.fromEntries(devices.map(([uuid, mdev]) => [uuid, link(mdevPath(state, uuid, mdev))])),
    ),
    create: { kind: 'file', store: (data) => create(state, type, data) },
  });
}

/**
 * What is left of a type, counting what is leaving and still open. Types that share memory take from one pool (GVT-g's
 * aperture, a card's frame buffer), and where a card has one size at a time (NVIDIA, equal sizes) the first one decides.
 */
function available(state: MachineState, type: MdevTypeSpec): number {
  const others = Object.values(state.mdevs);
  const used = others.filter((mdev) => mdev.parent === type.parent && mdev.type === type.type).length;
  const left = type.instances - used;
  const family = others.flatMap((mdev) => {
    const of = typeOf(state, mdev);
    return of && (of.card ?? of.parent) === (type.card ?? type.parent) ? [of] : [];
  });
  if (type.card !== undefined && family.some((each) => each.type !== type.type)) return 0;
  // A virtual function has one, of whatever type.
  if (type.card !== undefined && others.some(({ parent }) => parent === type.parent)) return 0;
  if (!type.share) return left;
  const taken = family.reduce((sum, { share }) => sum + (share?.takes ?? 0), 0);
  return Math.max(0, Math.min(left, Math.floor((type.share.of - taken) / type.share.takes)));
}

function create(state: MachineState, type: MdevTypeSpec, data: string): Outcome {
  const uuid = writtenName(data).toLowerCase();
  if (!UUID.test(uuid)) return failed('EINVAL');
  // Also one that is leaving: it is in the list until nobody has it open (mdev_core.c:mdev_device_create).
  if (state.mdevs[uuid]) return failed('EEXIST');
  if (available(state, type) < 1) return failed('EUSERS');
  state.mdevs[uuid] = {
    parent: type.parent,
    type: type.type,
    group: newGroup(state).number,
    values: { ...type.values },
  };
  return done;
}

function mdevDirectory(state: MachineState, uuid: string, mdev: Mdev): Directory {
  const type = `/sys/class/mdev_bus/${mdev.parent}/mdev_supported_types/${mdev.type}`;
  if (mdev.leaving !== undefined) return directory({ power: directory({}) });
  const values = Object.fromEntries(Object.keys(mdev.values).map((name) => [name, '']));
  const own = directory({
    driver: link(`/sys/bus/mdev/drivers/${VFIO_MDEV}`),
    iommu_group: link(`/sys/kernel/iommu_groups/${mdev.group}`),
    mdev_type: link(type),
    power: directory({}),
    remove: { kind: 'file', store: (data) => remove(state, uuid, data) },
    subsystem: link('/sys/bus/mdev'),
    uevent: text(() => `DRIVER=${VFIO_MDEV}\n`),
  });
  return overlay(own, writable(textTree(values), mdev));
}

/** Files of the parent's driver; a value that begins with `!` is what the driver answers to any write. */
function writable(tree: Directory, mdev: Mdev, above = ''): Directory {
  return {
    ...tree,
    child: (name) => {
      const node = tree.child(name);
      const path = above + name;
      if (node?.kind === 'directory') return writable(node, mdev, `${path}/`);
      if (!node) return undefined;
      const value = mdev.values[path] ?? '';
      const [, errno] = /^! (E[A-Z]+)$/.exec(value) ?? [];
      return {
        kind: 'file',
        text: () => `${errno === undefined ? value : ''}\n`,
        store: (data) => {
          if (errno !== undefined) return failed(errno as Errno);
          mdev.values[path] = writtenName(data);
          return done;
        },
      };
    },
  };
}

/**
 * mdev_sysfs.c:remove_store. The file deletes itself first, the device leaves its bus, and then the driver waits for
 * whoever has it open (drivers/vfio/vfio_main.c:vfio_unregister_group_dev).
 */
function remove(state: MachineState, uuid: string, data: string): Outcome {
  const value = kernelNumber(data, Number.MAX_SAFE_INTEGER);
  if (typeof value === 'string') return failed('EINVAL');
  const mdev = state.mdevs[uuid];
  if (value === 0 || !mdev) return done;
  mdev.leaving = true;
  const fault = nextFault(state, { on: 'remove', path: `${VFIO_MDEV}/${uuid}` });
  return then(...faultDelay(state, fault), { do: 'mdev-gone', uuid });
}
