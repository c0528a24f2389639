import { unlike } from '../../differential/compare.ts';
import { seenDevices } from '../../differential/devices.ts';
import { machine, sight } from '../../differential/facts.ts';
import type { Facts, Sight } from '../../differential/sequence.ts';
import { must } from './execute.ts';
import { sequenceKernel } from './sequence-kernel.ts';
import { attribute, driverOf, tryWrite, unbind } from './sysfs.ts';
import { devices } from './topology.ts';

/** Modules that sequences may have unloaded, in an order in which they can be loaded again. */
const modules = ['vfio_iommu_type1', 'vfio-pci', 'e1000', 'e1000e'];

/**
 * Takes the machine back to where each sequence begins, touching only what is not there yet: binding takes long
 * under emulation. @returns what could not be put right
 */
export async function resetForSequence(start: Sight): Promise<readonly string[]> {
  // An override with the text `(null)` cannot be told from none.
  for (const address of seenDevices) tryWrite(attribute(address, 'driver_override'), '');
  let seen = sight(sequenceKernel);
  if (gone(start, seen).length > 0) tryWrite('/sys/bus/pci/rescan', '1');
  if (differs(start, seen, machine)) await must('modprobe', ['--all', ...modules]);
  if (differs(start, seen, devices.igb)) tryWrite(attribute(devices.igb, 'sriov_numvfs'), '0');
  seen = sight(sequenceKernel);
  if (differsInPresence(start, seen)) {
    // Found again beside its sibling, a device gets no reset methods: both have to be found in their order.
    tryWrite(attribute(devices.bridge, 'remove'), '1');
    tryWrite('/sys/bus/pci/rescan', '1');
    seen = sight(sequenceKernel);
  }
  const changed = seenDevices.filter((address) => differs(start, seen, address));
  // All are taken off their drivers before one is put back: a group belongs to the host or to VFIO as a whole.
  for (const address of changed) leave(address, start[address] ?? {}, seen[address] ?? {});
  for (const address of changed) comeBack(address, start[address] ?? {});
  return unlike(new Map(Object.entries(start)), sight(sequenceKernel));
}

function gone(start: Sight, seen: Sight): readonly string[] {
  return seenDevices.filter((address) => seen[address]?.['present'] === 'no' && !start[address]?.['present']);
}

function differs(start: Sight, seen: Sight, name: string): boolean {
  return unlike(new Map(Object.entries(start)), { [name]: seen[name] ?? {} }).length > 0;
}

/** Off its driver, without override, with the BARs that it had. */
function leave(address: string, wanted: Facts, now: Facts): void {
  if (wanted['present'] === 'no' || now['present'] === 'no') return;
  const resized = wanted['sizes of BARs'] !== now['sizes of BARs'];
  if (resized || wanted['driver'] !== now['driver']) unbind(address);
  tryWrite(attribute(address, 'driver_override'), '');
  if (!resized) return;
  (wanted['sizes of BARs'] ?? '').split(' ').forEach((size, bar) => {
    tryWrite(attribute(address, `resource${bar}_resize`), String(Math.log2(Number(size)) - 20));
  });
}

/** On its driver again, with the attributes that it had. */
function comeBack(address: string, wanted: Facts): void {
  const { driver } = wanted;
  if (wanted['present'] === 'no') return;
  if (driver !== undefined && driver !== 'none' && driverOf(address) !== driver) {
    tryWrite(`/sys/bus/pci/drivers/${driver}/bind`, address);
  }
  for (const name of ['power/control', 'd3cold_allowed'])
    tryWrite(attribute(address, name), wanted[name] ?? '');
  if (wanted['reset_method'] !== undefined) tryWrite(attribute(address, 'reset_method'), 'default');
}

/** Whether the second card behind the bridge has a file `reset_method` on one side only. */
function differsInPresence(start: Sight, seen: Sight): boolean {
  const [before, now] = [start, seen].map((each) => each[devices.bridgeNic]?.['reset_method'] === undefined);
  return before !== now;
}
