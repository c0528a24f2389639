import type { VgpuTypeSpec } from './spec.ts';
import { logLine, type Device, type MachineState } from './state.ts';
import { kernelNumber, writtenName } from './text.ts';
import { errnoError } from './errno.ts';
import { directory, text, type Directory, type File } from './tree.ts';
import { done, failed, type Outcome } from './work.ts';

/** Whether NVIDIA's own VFIO driver has a virtual function: it is a VFIO device on the driver nvidia. */
export function isVendorFunction({ spec, driver, linked }: Device): boolean {
  return spec.vgpuType !== undefined && driver === 'nvidia' && linked;
}

/**
 * `nvidia/` of a virtual function, as NVIDIA's driver has it since its branch 550: one type at a time, 0 deletes it. What
 * can be made shrinks as the other functions of the card fill, and where card memory is cut into equal parts it is
 * only what there is already. Reads of what only a vGPU has are ENXIO until there is one.
 */
export function vgpuDirectory(state: MachineState, device: Device): Directory {
  const { uid } = device;
  const catalogue = catalogueOf(state, device);
  return directory({
    current_vgpu_type: {
      kind: 'file',
      uid,
      text: () => `${device.vgpuType ?? 0}\n`,
      store: (data) => storeType(state, device, data),
    },
    ...(catalogue && {
      creatable_vgpu_types: text(() => listText(creatable(state, device))),
      vgpu_params: {
        kind: 'file',
        uid,
        text: () => `${device.vgpuParams ?? ''}\n`,
        store: (data) => storeParams(device, data),
      },
      gpu_instance_id: onceMade(device, 'gpu_instance_id'),
      placement_id: onceMade(device, 'placement_id'),
    }),
  });
}

function storeType(state: MachineState, device: Device, data: string): Outcome {
  const value = kernelNumber(data, 0xffffffff);
  if (typeof value === 'string') return failed('EINVAL');
  if (value === 0) {
    // Its guest's end clears it as well, a moment later.
    if (device.users.length > 0) return failed('EPERM');
    device.vgpuType = 0;
    delete device.vgpuParams;
    return done;
  }
  if (device.vgpuLost) {
    logLine(state, `nvidia-vgpu-vfio ${device.spec.address}: vfio_pci_core_device not found`);
    return failed('EIO');
  }
  if ((device.vgpuType ?? 0) !== 0) return failed('EBUSY');
  if (catalogueOf(state, device) && !creatable(state, device).some(({ id }) => id === value)) {
    logLine(state, 'NVRM: Failed to add vgpu create request: 0x38');
    return failed('EIO');
  }
  device.vgpuType = value;
  return done;
}

function storeParams(device: Device, data: string): Outcome {
  if ((device.vgpuType ?? 0) === 0) return failed('ENXIO');
  if (device.users.length > 0) return failed('EPERM');
  const params = writtenName(data).trim();
  if (params !== '' && !/^[\w.-]+=[^,\s]+(?:,[\w.-]+=[^,\s]+)*$/.test(params)) return failed('EINVAL');
  if (params === '') delete device.vgpuParams;
  else device.vgpuParams = params;
  return done;
}

function onceMade(device: Device, name: string): File {
  return text(() => {
    if ((device.vgpuType ?? 0) === 0) throw errnoError('ENXIO', 'read', name);
    return '0\n';
  });
}

function catalogueOf(state: MachineState, device: Device): Device['spec']['sriov'] | undefined {
  const sriov = state.devices[device.spec.physicalFunction ?? '']?.spec.sriov;
  return sriov?.vgpu && sriov;
}

/** What a virtual function could be given now. */
function creatable(state: MachineState, device: Device): readonly VgpuTypeSpec[] {
  const vgpu = catalogueOf(state, device)?.vgpu;
  if (!vgpu || (device.vgpuType ?? 0) !== 0) return [];
  const taken = Object.values(state.devices)
    .filter((each) => each.spec.physicalFunction === device.spec.physicalFunction)
    .flatMap((each) => vgpu.types.find(({ id }) => id === each.vgpuType) ?? []);
  const left = vgpu.memory - taken.reduce((sum, { memory }) => sum + memory, 0);
  const [first] = taken;
  return vgpu.types.filter(
    ({ memory }) => memory <= left && (vgpu.mixed || first === undefined || first.memory === memory),
  );
}

function listText(types: readonly VgpuTypeSpec[]): string {
  const lines = types.map(({ id, name }) => `${String(id).padEnd(6)}: ${name}`);
  return `${['ID    : vGPU Name', ...lines].join('\n')}\n`;
}
