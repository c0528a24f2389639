import { dropEmptyGroup, newGroup } from './groups.ts';
import type { MdevTypeSpec } from './spec.ts';
import type { MachineState } from './state.ts';
import { kernelNumber, writtenName } from './text.ts';
import { directory, link, text, type Directory, type Node } from './tree.ts';
import { done, failed, type Outcome } from './work.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** /sys/class/mdev_bus (drivers/vfio/mdev/mdev_sysfs.c). */
export function mdevBus(state: MachineState): Record<string, Node> {
  const parents: Record<string, Record<string, Node>> = {};
  for (const type of state.spec.mdevTypes)
    (parents[type.parent] ??= {})[type.type] = typeDirectory(state, type);
  return Object.fromEntries(
    Object.entries(parents).map(([name, types]) => [
      name,
      directory({ mdev_supported_types: directory(types) }),
    ]),
  );
}

/** /sys/bus/mdev/devices. */
export function mdevDevices(state: MachineState): Directory {
  return directory(
    Object.fromEntries(
      Object.entries(state.mdevs).map(([uuid, mdev]): [string, Node] => [
        uuid,
        directory({
          iommu_group: link(`/sys/kernel/iommu_groups/${mdev.group}`),
          mdev_type: link(`/sys/class/mdev_bus/${mdev.parent}/mdev_supported_types/${mdev.type}`),
          remove: { kind: 'file', store: (data) => remove(state, uuid, data) },
        }),
      ]),
    ),
  );
}

function typeDirectory(state: MachineState, type: MdevTypeSpec): Directory {
  const used = (): number =>
    Object.values(state.mdevs).filter((mdev) => mdev.parent === type.parent && mdev.type === type.type)
      .length;
  return directory({
    name: text(() => `${type.name}\n`),
    device_api: text(() => 'vfio-pci\n'),
    available_instances: text(() => `${type.instances - used()}\n`),
    create: {
      kind: 'file',
      store: (data) => {
        const uuid = writtenName(data).toLowerCase();
        if (!UUID.test(uuid)) return failed('EINVAL');
        if (state.mdevs[uuid]) return failed('EEXIST');
        if (used() >= type.instances) return failed('EUSERS');
        state.mdevs[uuid] = { parent: type.parent, type: type.type, group: newGroup(state).number };
        return done;
      },
    },
  });
}

function remove(state: MachineState, uuid: string, data: string): Outcome {
  const value = kernelNumber(data, Number.MAX_SAFE_INTEGER);
  if (typeof value === 'string') return failed('EINVAL');
  if (value === 0) return done;
  const group = state.mdevs[uuid]?.group;
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the state is a JSON object
  delete state.mdevs[uuid];
  dropEmptyGroup(state, group);
  return done;
}
