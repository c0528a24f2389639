import { devicePath, type MachineState } from './state.ts';
import type { VolumeSpec } from './spec.ts';
import { link, textTree, type DeviceNode, type Directory, type Link } from './tree.ts';
import { isInService } from './view-device.ts';

/**
 * Volumes that are there now. Those that are made of disks outlive them: nothing takes a mapping or an array
 * apart when a driver lets its disk go. A namespace goes with its last controller (nvme_mpath_remove_disk).
 */
function volumes(state: MachineState): VolumeSpec[] {
  return state.spec.volumes.filter(
    ({ controllers }) => controllers === undefined || livePaths(state, controllers).length > 0,
  );
}

/** The directories of the controllers that reach a namespace now. */
function livePaths(state: MachineState, controllers: readonly string[]): string[] {
  return controllers.flatMap((each) => {
    const [address = '', ...rest] = each.split('/');
    const device = state.devices[address];
    return device && isInService(state, device) ? [`${devicePath(state, device)}/${rest.join('/')}`] : [];
  });
}

/** /sys/devices/virtual. */
export function virtualDevices(state: MachineState): Directory {
  const entries: Record<string, string> = {};
  for (const volume of volumes(state)) {
    Object.assign(entries, volume.entries);
    const subsystem = volume.directory.split('/').slice(0, -1).join('/');
    for (const path of livePaths(state, volume.controllers ?? [])) {
      entries[`${subsystem}/${path.split('/').pop() ?? ''}`] = `-> ${path}`;
    }
  }
  return textTree(entries);
}

/** Links of /sys/class that lead to volumes, by class. */
export function volumeClasses(state: MachineState): Record<'block' | 'nvme-subsystem', Record<string, Link>> {
  const block: Record<string, Link> = {};
  const subsystems: Record<string, Link> = {};
  for (const volume of volumes(state)) {
    const path = `/sys/devices/virtual/${volume.directory}`;
    for (const entry of Object.keys(volume.entries)) {
      const within = /^(.*)\/dev$/.exec(entry)?.[1];
      if (within !== undefined) block[within.split('/').pop() ?? ''] = link(`/sys/devices/virtual/${within}`);
    }
    if (volume.controllers) {
      const subsystem = path.split('/').slice(0, -1).join('/');
      subsystems[subsystem.split('/').pop() ?? ''] = link(subsystem);
    }
  }
  return { block, 'nvme-subsystem': subsystems };
}

/** The nodes of volumes, and the links of /dev/mapper. */
export function volumeNodes(state: MachineState): [path: string, node: DeviceNode | Link][] {
  return volumes(state).flatMap(({ nodes, claimed }) =>
    nodes.map((text): [string, DeviceNode | Link] => {
      const [path = '', target] = text.split(' -> ');
      if (target !== undefined) return [path, link(target)];
      return [
        path,
        { kind: 'node', open: () => 'free', claim: () => (claimed.includes(path) ? 'busy' : 'free') },
      ];
    }),
  );
}

/** /proc/swaps: swapping to a node that is gone goes on, under a name that says so (seq_file_path). */
export function swapsText(state: MachineState): string | undefined {
  const nodes = new Set([
    ...Object.values(state.devices).flatMap((device) =>
      isInService(state, device) ? device.spec.nodes : [],
    ),
    ...volumeNodes(state).map(([path]) => path),
  ]);
  return state.spec.files['/proc/swaps']?.replace(/^\/dev\/\S+/gm, (node) =>
    nodes.has(node) ? node : `${node}\\040(deleted)`,
  );
}
