import type { Device, MachineState } from './state.ts';
import { vfsOf } from './sriov.ts';
import { kernelNumber } from './text.ts';
import { directory, text, type Directory, type File } from './tree.ts';
import { done, failed } from './work.ts';
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
    return [
      device.spec.address,
      directory({
        information: text(() => information),
        ...(isVgpuHost(device) && { unbindLock: unbindLock(state, device) }),
      }),
    ] as const;
  });
  return directory({ gpus: directory(Object.fromEntries(gpus)) });
}

/** Whether the vGPU host driver has a card: others have no such lock. */
function isVgpuHost({ spec }: Device): boolean {
  return spec.sriov?.vgpuType !== undefined;
}

/**
 * Taken as the file that was written is closed, if nobody has the card open; the write succeeds either way
 * (kernel-open/nvidia/nv-procfs.c).
 */
function unbindLock(state: MachineState, device: Device): File {
  return {
    kind: 'file',
    uid: device.uid,
    text: () => `${device.unbindLock ? 1 : 0}\n`,
    store: (data) => {
      const value = kernelNumber(data, 1);
      if (typeof value === 'string') return failed('EINVAL');
      if (value === 0) delete device.unbindLock;
      else if (!isUsed(state, device)) device.unbindLock = true;
      return done;
    },
  };
}

/** Whether somebody has a card open, or there are vGPUs on it. */
export function isUsed(state: MachineState, device: Device): boolean {
  const isOpen = state.opens.some(({ uid }) => uid === device.uid);
  return isOpen || vfsOf(state, device).some(({ vgpuType = 0 }) => vgpuType !== 0);
}

function cards(state: MachineState): Device[] {
  return Object.values(state.devices).filter(
    (device) =>
      device.driver === 'nvidia' && device.spec.physicalFunction === undefined && isInService(state, device),
  );
}
