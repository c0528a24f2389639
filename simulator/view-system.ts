import { isInUse, vfioMembers } from './groups.ts';
import { writeConsoleBind } from './consoles.ts';
import { frequencyDirectory } from './cpufreq.ts';
import { irqActions, irqDirectory } from './irq.ts';
import { mdevBus, mdevDevices, mdevPath } from './mdev.ts';
import { profileOf } from './profile.ts';
import { devicePath, groupMembers, type Device, type Group, type MachineState } from './state.ts';
import { kernelNumber, writtenName } from './text.ts';
import {
  directory,
  link,
  overlay,
  text,
  textTree,
  type Directory,
  type DeviceNode,
  type Link,
  type Node,
} from './tree.ts';
import { controlGroups, cpuLists } from './slices.ts';
import { mapValues, pciBus } from './view-bus.ts';
import { moduleDirectory } from './view-module.ts';
import { swapsText, virtualDevices, volumeClasses, volumeNodes } from './view-block.ts';
import { deviceDirectory, isInService, serviceEntries } from './view-device.ts';
import { memoryFiles, memoryNodes, wholePools } from './view-memory.ts';
import { inputDevicesText } from './view-input.ts';
import { sessionTables } from './view-network.ts';
import { nvidiaProc, sharedNodes } from './view-nvidia.ts';
import { firmwareGraphics, platformBus, platformDevices } from './view-platform.ts';
import { loginSessions } from './sessions.ts';
import { done, failed, type Outcome } from './work.ts';

/** Everything below /. */
export function rootDirectory(state: MachineState): Directory {
  const files = Object.fromEntries(
    Object.entries(state.spec.files).map(([path, content]) => [path.replace(/^\//, ''), content]),
  );
  return overlay(
    directory({
      sys: () => systemDirectory(state),
      dev: () => devDirectory(state),
      proc: () => procDirectory(state),
      lib: () => libDirectory(state),
      run: () =>
        directory({
          systemd: directory({
            sessions: loginSessions(state),
            ...(Object.keys(state.units).length > 0 && { system: directory({}) }),
          }),
        }),
    }),
    textTree(files),
  );
}

function systemDirectory(state: MachineState): Directory {
  return directory({
    bus: () =>
      directory({
        pci: () => pciBus(state),
        platform: () => platformBus(state),
        ...(state.spec.mdevTypes.length > 0 && { mdev: () => directory({ devices: mdevDevices(state) }) }),
      }),
    devices: () => realDevices(state),
    kernel: () =>
      directory({
        mm: () => wholePools(state),
        ...(state.spec.cpus && { irq: () => irqActions(state) }),
        iommu_groups: directory(mapValues(state.groups, (group) => () => groupDirectory(state, group))),
      }),
    module: () =>
      directory(
        Object.fromEntries(
          Object.keys(state.modules).map((name) => [name, () => moduleDirectory(state, name)]),
        ),
      ),
    class: () => classDirectory(state),
    fs: directory({ cgroup: controlGroups(state) }),
  });
}

/** /sys/devices: host bridges with what is behind them, and the firmware's frame buffer. */
function realDevices(state: MachineState): Directory {
  const roots: Record<string, Record<string, () => Node>> = {};
  for (const device of Object.values(state.devices)) {
    const [, , , root = ''] = devicePath(state, device).split('/');
    const below = (roots[root] ??= {});
    if (!state.devices[device.spec.behind ?? '']) {
      below[device.spec.address] = () => deviceDirectory(state, device);
    }
  }
  return directory({
    ...mapValues(roots, (below) => directory(below)),
    platform: platformDevices(state),
    system: () => systemDevices(state),
    virtual: () => virtualDevices(state),
  });
}

/** CPUs and nodes, as far as something is known of them. */
function systemDevices(state: MachineState): Directory | undefined {
  const [node, cpufreq, lists] = [memoryNodes(state), frequencyDirectory(state), cpuLists(state)];
  const cpu = cpufreq || lists['present'] ? directory({ ...lists, cpufreq }) : undefined;
  return node || cpu ? directory({ node, cpu }) : undefined;
}

function groupDirectory(state: MachineState, group: Group): Directory {
  const members: Record<string, () => Node> = {};
  for (const device of groupMembers(state, group.number)) {
    members[device.spec.address] = () => link(devicePath(state, device));
  }
  for (const [uuid, mdev] of Object.entries(state.mdevs)) {
    if (mdev.group === group.number) members[uuid] = () => link(mdevPath(state, uuid, mdev));
  }
  return directory({
    devices: directory(members),
    reserved_regions: text(() => '0x00000000fee00000 0x00000000feefffff msi\n'),
    type: {
      kind: 'file',
      text: () => `${group.type}\n`,
      store: (data) => storeGroupType(state, group, data),
    },
  });
}

/** iommu_group_store_type: what "in use" means and how it is refused changed with Linux 6.x. */
function storeGroupType(state: MachineState, group: Group, data: string): Outcome {
  const type = writtenName(data);
  if (!['DMA', 'DMA-FQ', 'identity', 'auto'].includes(type)) return failed('EINVAL');
  if (profileOf(state.spec.kernel).groupTypeInUse === 'EINVAL') {
    const members = groupMembers(state, group.number);
    if (members.length !== 1) return failed('EINVAL');
    if (members[0]?.driver !== undefined) return failed('EBUSY');
  } else if (isInUse(state, group)) {
    return failed('EPERM');
  }
  group.type = type === 'auto' ? 'DMA-FQ' : type;
  return done;
}

/** /sys/class: consoles, IOMMUs, and a link for each interface, disk, sound and display card in service. */
function classDirectory(state: MachineState): Directory {
  const classes: Record<string, Record<string, Node>> = {
    iommu: state.spec.iommu ? { iommu0: directory({}) } : {},
    vtconsole: Object.fromEntries(
      state.consoles.map((console): [string, Node] => [
        `vtcon${console.number}`,
        directory({
          name: text(() => `(${console.system ? 'S' : 'M'}) ${console.text}\n`),
          bind: {
            kind: 'file',
            text: () => `${console.bound ? 1 : 0}\n`,
            store: (data) => {
              const value = kernelNumber(data, 1);
              writeConsoleBind(state, console.number, typeof value === 'number' ? value : 0);
              return done;
            },
          },
        }),
      ]),
    ),
    ...(state.spec.mdevTypes.length > 0 && { mdev_bus: mdevBus(state) }),
    ...firmwareGraphics(state),
    ...volumeClasses(state),
  };
  for (const device of Object.values(state.devices)) {
    if (!isInService(state, device)) continue;
    for (const path of Object.keys(serviceEntries(state, device))) {
      for (const { kind, name, end } of classEntries(path)) {
        (classes[kind] ??= {})[name] = link(`${devicePath(state, device)}/${path.slice(0, end)}`);
      }
    }
  }
  return directory(mapValues(classes, (entries) => directory(entries)));
}

const CLASS_ENTRY = /(?:^|\/)(net|drm|sound|nvme|block|graphics|bluetooth)\/([^/]+)(?=\/|$)/g;
/** NVMe namespaces and partitions are in the class block without a directory of that name. */
const DISK = /(?:^|\/)nvme\d+\/(nvme\d+(?:c\d+)?n\d+)(?=\/|$)/g;
const PARTITION =
  /\/(?:nvme\d+n\d+|mmcblk\d+|[sv]d[a-z]+)\/(nvme\d+n\d+p\d+|mmcblk\d+p\d+|[sv]d[a-z]+\d+)(?=\/|$)/g;

function classEntries(path: string): { kind: string; name: string; end: number }[] {
  const entries = (pattern: RegExp, kind?: string): { kind: string; name: string; end: number }[] =>
    [...path.matchAll(pattern)].map((match) => ({
      kind: kind ?? match[1] ?? '',
      name: match[kind === undefined ? 2 : 1] ?? '',
      end: match.index + match[0].length,
    }));
  return [...entries(CLASS_ENTRY), ...entries(DISK, 'block'), ...entries(PARTITION, 'block')];
}

/** /dev: the nodes of devices in service, and VFIO's. */
function devDirectory(state: MachineState): Directory {
  const tree: Record<string, Node | Record<string, Node>> = {};
  const put = (path: string, node: DeviceNode | Link): void => {
    const [first = '', second] = path.replace('/dev/', '').split('/');
    if (second === undefined) tree[first] = node;
    else tree[first] = { ...(tree[first] as Record<string, Node> | undefined), [second]: node };
  };
  for (const device of Object.values(state.devices)) {
    for (const path of nodesOf(state, device)) {
      const claim = (): 'free' | 'busy' => (device.spec.claimedNodes.includes(path) ? 'busy' : 'free');
      put(path, { kind: 'node', open: () => 'free', claim });
    }
  }
  for (const [path, node] of volumeNodes(state)) put(path, node);
  for (const path of sharedNodes(state)) put(path, { kind: 'node', open: () => 'free' });
  if (state.modules['vfio']) put('/dev/vfio/vfio', { kind: 'node', open: () => 'free' });
  for (const group of Object.values(state.groups)) {
    const isMdev = Object.values(state.mdevs).some((mdev) => mdev.group === group.number);
    if (!isMdev && vfioMembers(state, group.number).length === 0) continue;
    const open = (): 'free' | 'busy' => (group.openedBy === undefined ? 'free' : 'busy');
    put(`/dev/vfio/${group.number}`, { kind: 'node', open });
  }
  return directory(mapValues(tree, (entry) => ('kind' in entry ? (entry as Node) : directory(entry))));
}

/** The device nodes that a device has now. */
export function nodesOf(state: MachineState, device: Device): readonly string[] {
  return isInService(state, device) ? device.spec.nodes : [];
}

function procDirectory(state: MachineState): Directory {
  const swaps = swapsText(state);
  const memory = memoryFiles(state);
  return directory({
    bus: directory({ input: directory({ devices: text(() => inputDevicesText(state)) }) }),
    ...(swaps !== undefined && { swaps: text(() => swaps) }),
    cmdline: text(() => `${state.spec.commandLine}\n`),
    ...(state.spec.interruptRemapping !== undefined && {
      interrupts: text(() => interruptsText(state.spec.interruptRemapping === true)),
    }),
    ...(state.spec.cpus && { irq: () => irqDirectory(state) }),
    driver: () => directory({ nvidia: nvidiaProc(state) }),
    net: () => sessionTables(state),
    ...memory.proc,
    sys: directory({
      ...(Object.keys(memory.vm).length > 0 && { vm: directory(memory.vm) }),
      kernel: directory({
        osrelease: text(() => `${profileOf(state.spec.kernel).release}\n`),
        random: directory({ boot_id: text(() => `${state.bootId}\n`) }),
      }),
    }),
  });
}

/** Of an x86 board, the names of the interrupt controllers: those behind the IOMMU begin with IR-. */
function interruptsText(remapped: boolean): string {
  const behind = remapped ? 'IR-' : '';
  return `           CPU0\n  8:          0  ${behind}IO-APIC   8-edge      rtc0\n 24:          0  ${behind}PCI-MSI 524288-edge      nvme0q0\n`;
}

function libDirectory(state: MachineState): Directory {
  return directory({
    modules: directory({
      [profileOf(state.spec.kernel).release]: directory({
        'modules.alias': text(() => aliases(state)),
        'modules.dep': text(() => moduleFiles(state, false, ':')),
        'modules.builtin': text(() => moduleFiles(state, true, '')),
      }),
    }),
  });
}

/** modules.dep, modules.builtin: a line for each file that is, or would be, a module. */
function moduleFiles({ spec }: MachineState, builtin: boolean, ending: string): string {
  return spec.modules
    .filter((module) => module.builtin === builtin)
    .map(({ name }) => `kernel/${name}.ko${ending}\n`)
    .join('');
}

/** modules.alias as depmod writes it: one line for each id that a module's drivers take. */
function aliases(state: MachineState): string {
  const lines = ['# Aliases extracted from modules themselves.'];
  for (const driver of state.spec.drivers) {
    for (const id of driver.ids) {
      if (driver.module === undefined) continue;
      const [vendor = '', device = ''] = id.toUpperCase().split(':');
      lines.push(`alias pci:v0000${vendor}d0000${device}sv*sd*bc*sc*i* ${driver.module}`);
    }
  }
  for (const module of state.spec.modules) {
    for (const alias of module.aliases) lines.push(`alias ${alias} ${module.name}`);
  }
  return `${lines.join('\n')}\n`;
}
