import type { Device, MachineState } from './state.ts';
import { directory, text, type Directory } from './tree.ts';
import { isInService } from './view-device.ts';

/** Nodes that all cards on the driver nvidia share; they are there as long as one is. */
const SHARED = ['/dev/nvidiactl', '/dev/nvidia-uvm', '/dev/nvidia-modeset'];

/** The shared nodes that exist now. */
export function sharedNodes(state: MachineState): readonly string[] {
  return cards(state).length > 0 ? SHARED : [];
}

/** /proc/driver/nvidia: for each card the number of its own node (kernel-open/nvidia/nv-procfs.c). */
export function nvidiaProc(state: MachineState): Directory {
  const gpus = cards(state).map((device) => {
    const node = device.spec.nodes.find((path) => /^\/dev\/nvidia\d+$/.test(path)) ?? '';
    const information = `Model: \t\t ${device.spec.name ?? 'NVIDIA'}\nDevice Minor: \t ${node.replace('/dev/nvidia', '')}\n`;
    return [device.spec.address, directory({ information: text(() => information) })] as const;
  });
  return directory({ gpus: directory(Object.fromEntries(gpus)) });
}

function cards(state: MachineState): Device[] {
  return Object.values(state.devices).filter(
    (device) =>
      device.driver === 'nvidia' && device.spec.physicalFunction === undefined && isInService(state, device),
  );
}
