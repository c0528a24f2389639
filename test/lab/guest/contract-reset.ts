import { readdirSync } from 'node:fs';

import { must } from './execute.ts';
import { repair, type Snapshot, takeSnapshot } from './snapshot.ts';
import { attribute, driverOf, giveBack, pciDevices, read, tryWrite } from './sysfs.ts';
import { devices } from './topology.ts';

/** What a row may change besides what a {@link Snapshot} has. */
export interface ContractState {
  readonly snapshot: Snapshot;
  readonly consoles: string;
  /** Type of each IOMMU group by its number. */
  readonly groupTypes: ReadonlyMap<string, string>;
  readonly modules: readonly string[];
}

export function contractState(modules: readonly string[]): ContractState {
  return { snapshot: takeSnapshot(), consoles: consoles(), groupTypes: groupTypes(), modules };
}

/** Takes the machine back to where each row begins. Nothing may be held or blocked any more. */
export async function resetMachine(state: ContractState): Promise<void> {
  tryWrite('/sys/bus/pci/drivers_autoprobe', '1');
  const present = pciDevices();
  if ([...state.snapshot.keys()].some((device) => device.startsWith('0000:') && !present.includes(device))) {
    tryWrite('/sys/bus/pci/rescan', '1');
  }
  const loaded = loadedModules();
  const missing = state.modules.filter((name) => !loaded.has(name.replaceAll('-', '_')));
  if (missing.length > 0) await must('modprobe', ['--all', ...missing]);
  for (const id of ['8086 10d3', '1234 beef']) tryWrite('/sys/bus/pci/drivers/vfio-pci/remove_id', id);
  tryWrite('/sys/module/vfio_pci/parameters/enable_sriov', 'N');
  tryWrite('/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages', '0');
  tryWrite(attribute(devices.igb, 'sriov_numvfs'), '0');
  tryWrite(attribute(devices.igb, 'sriov_drivers_autoprobe'), '1');
  for (const device of pciDevices()) {
    tryWrite(attribute(device, 'd3cold_allowed'), '1');
    // Each write of 1 counts, and so does each driver; with none bound all of them are ours.
    const enable = attribute(device, 'enable');
    while (driverOf(device) === undefined && read(enable) !== '0' && tryWrite(enable, '0') === 'ok');
  }
  // While its devices are on vfio-pci: a group that a host driver uses keeps its type.
  for (const [group, type] of groupTypes()) {
    const before = state.groupTypes.get(group);
    if (before !== undefined && before !== type) tryWrite(`/sys/kernel/iommu_groups/${group}/type`, before);
  }
  repair(state.snapshot);
  if (consoles() !== state.consoles) giveBack(devices.consoleGpu);
  if (loaded.has('igbvf')) await must('rmmod', ['igbvf']);
}

function loadedModules(): ReadonlySet<string> {
  return new Set((read('/proc/modules') ?? '').split('\n').map((line) => line.replace(/ .*/, '')));
}

function consoles(): string {
  const directory = '/sys/class/vtconsole';
  return readdirSync(directory)
    .map(
      (name) =>
        `${name} ${read(`${directory}/${name}/name`) ?? ''} ${read(`${directory}/${name}/bind`) ?? ''}`,
    )
    .join('\n');
}

function groupTypes(): ReadonlyMap<string, string> {
  const directory = '/sys/kernel/iommu_groups';
  return new Map(readdirSync(directory).map((group) => [group, read(`${directory}/${group}/type`) ?? '']));
}
