import { basename } from 'node:path';
import { errnoOf } from '../../src/errors.ts';
import { readDescription } from '../../simulator/description.ts';
import { submit } from '../../simulator/kernel.ts';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import { resultOf } from '../../simulator/operations.ts';
import type { DeviceSpec, MachineSpec } from '../../simulator/spec.ts';
import { openAttribute } from '../../simulator/write.ts';
import { ended, kept } from './links.ts';
import { exclusively } from '../observe/exclusively.ts';
import type { Answer, Boot, ContractTarget, Kernel, Operation, Role } from './contract.ts';

/** The devices of the lab by their roles: examples/hosts/lab-q35.yaml. */
export const labAddresses: Readonly<Record<Role, string>> = {
  gpu: '0000:01:00.0',
  gpuAudio: '0000:01:00.1',
  igb: '0000:02:00.0',
  vf0: '0000:02:10.0',
  vf1: '0000:02:10.2',
  nvme: '0000:03:00.0',
  bridge: '0000:04:00.0',
  bridgeNic: '0000:05:01.0',
  bridgeAudio: '0000:05:02.0',
  nic: '0000:07:00.0',
  rebar: '0000:08:00.0',
  rebarSibling: '0000:08:00.1',
  rootPort: '0000:00:04.0',
};

const lab = readDescription('examples/hosts/lab-q35.yaml');

/** How long a call may take before it counts as blocked; no time passes in reality. */
const PATIENCE_MS = 100;

/** The machine of the lab, simulated: kernel and way of booting as a row wants them. */
export function labMachine(kernel: Kernel | '5.15', boot: Boot = 'normal'): Machine {
  return createMachine(specFor(kernel, boot));
}

/** A vGPU host: a card of examples/hosts/nvidia-vgpu-server.yaml and virtual functions of it. */
export const vgpuAddresses: Readonly<Record<Role, string>> = {
  ...labAddresses,
  gpu: '0000:41:00.0',
  vf0: '0000:41:00.4',
  vf1: '0000:41:00.5',
  nic: '0000:41:00.6',
};

/** That machine, simulated, with VFIO's modules loaded. */
export function vgpuMachine(kernel: Kernel): Machine {
  const machine = createMachine({ ...readDescription('examples/hosts/nvidia-vgpu-server.yaml'), kernel });
  machine.perform({ do: 'load', module: 'vfio-pci' });
  return machine;
}

/** The contract's view of a simulated machine. */
export function simulatedTarget(machine: Machine, addresses = labAddresses): ContractTarget {
  const host = machine.host();
  const nodeOf = (role: Role, kind = ''): string =>
    machine
      .state()
      .spec.devices.find((each) => each.address === addresses[role])
      ?.nodes.find((path) => basename(path).startsWith(kind)) ?? 'none';

  const perform = async (operation: Operation): Promise<Answer> => {
    if ('write' in operation) {
      return written(await host.writeRaw(operation.write, operation.data, PATIENCE_MS, operation.create));
    }
    if ('read' in operation) return read(operation.read);
    if ('load' in operation) return performed(machine, { do: 'load', module: operation.load });
    if ('unload' in operation) return performed(machine, { do: 'unload', module: operation.unload });
    if ('openGroup' in operation) {
      const devices = operation.openGroup.map((role) => addresses[role]);
      return performed(machine, { do: 'open-group', devices, guest: operation.guest });
    }
    if ('openMdev' in operation) {
      const { openMdev, guest } = operation;
      return performed(machine, { do: 'open-group', devices: [], mdevs: [openMdev], guest });
    }
    if ('closeGroup' in operation)
      return performed(machine, { do: 'close-group', guest: operation.closeGroup });
    if ('holdNode' in operation) {
      const path = nodeOf(operation.holdNode, operation.node);
      return performed(machine, { do: 'hold-node', path, program: 'pipewire' });
    }
    if ('releaseNode' in operation) {
      return performed(machine, {
        do: 'release-node',
        path: nodeOf(operation.releaseNode, operation.node),
      });
    }
    if ('keepOpen' in operation) {
      return machine.store.update((state) => openAttribute(state, operation.keepOpen, operation.as));
    }
    if ('writeOpen' in operation) return writeOpen(machine, operation.writeOpen, operation.data);
    if ('mapPages' in operation) {
      const { mapPages: pages, touched, as: guest } = operation;
      return performed(machine, {
        do: 'map-pages',
        program: 'qemu-system-x86',
        guest,
        sizeKb: 2048,
        pages,
        touched,
      });
    }
    if ('unmapPages' in operation)
      return performed(machine, { do: 'close-group', guest: operation.unmapPages });
    if ('ip' in operation) return ended(await host.run('ip', operation.ip.split(' '), PATIENCE_MS));
    if ('vf' in operation) return kept(host, labAddresses[operation.of], operation);
    if ('tryOpen' in operation) {
      const answers = { free: 'ok', busy: 'EBUSY', absent: 'ENOENT', denied: 'EACCES' } as const;
      // As the lab does it: a group can be opened once, a disk exclusively once.
      const path = operation.tryOpen;
      return answers[path.startsWith('/dev/vfio/') ? host.tryOpen(path) : await exclusively(host, path)];
    }
    // The writer of a blocked call has no say in it any more: killing it changes nothing.
    return 'ok';
  };

  const read = async (path: string): Promise<Answer> => {
    try {
      const result = await host.readLocked([path], PATIENCE_MS);
      if (result.kind === 'stuck') return 'blocks';
      return result.texts.has(path) ? 'ok' : 'ENOENT';
    } catch (error) {
      return errnoOf(error) ?? String(error);
    }
  };

  return {
    addresses,
    perform,
    text: (path) => host.read(path),
    link: (path) => host.readLink(path),
    bytes: (path, length) => host.readBytes(path, length),
    list: (path) => host.list(path) ?? [],
    exists: (path) => host.list(path) !== undefined || host.tryOpen(path) !== 'absent',
  };
}

function performed(machine: Machine, operation: Parameters<Machine['perform']>[0]): Answer {
  const result = machine.perform(operation);
  if (result.kind === 'refused') return result.errno;
  return result.kind === 'pending' ? 'blocks' : 'ok';
}

function written(result: Awaited<ReturnType<ReturnType<Machine['host']>['write']>>): Answer {
  if (result.kind === 'stuck') return 'blocks';
  return result.kind === 'written' ? 'ok' : result.errno;
}

function writeOpen(machine: Machine, handle: string, data: string): Answer {
  return machine.store.update((state) => {
    const work = { do: 'store-open', handle, data } as const;
    const { task } = submit(state, { operation: 'write', path: handle, value: data, pid: 1, work });
    const result = resultOf(state, task);
    return result.kind === 'refused' ? result.errno : 'ok';
  });
}

function specFor(kernel: Kernel | '5.15', boot: Boot): MachineSpec {
  const spec: MachineSpec = { ...lab, kernel };
  const change = (address: string, to: Partial<DeviceSpec>): MachineSpec => ({
    ...spec,
    devices: spec.devices.map((each) => (each.address === address ? { ...each, ...to } : each)),
  });
  switch (boot) {
    case 'normal':
      return spec;
    case 'no-iommu':
      return { ...spec, iommu: false };
    case 'vga-console': {
      const devices = spec.devices.map((each) => {
        const { driver, ...rest } = each;
        return each.address === labAddresses.gpu
          ? rest
          : { ...rest, ...(driver !== undefined && { driver }) };
      });
      return { ...spec, devices, console: { kind: 'vga' } };
    }
    case 'rebar-pair': {
      const pair = spec.devices
        .filter((each) => each.address === labAddresses.rebar)
        .map((each) => ({ ...each, address: labAddresses.rebarSibling }));
      return { ...spec, devices: [...spec.devices, ...pair] };
    }
    case 'firmware-keeps-bars':
      return { ...spec, firmwareKeepsBars: true };
    case 'disk-in-use':
      return change(labAddresses.nvme, { claimedNodes: ['/dev/nvme0n1'] });
  }
}
