import type { JournalEntry, MachineState } from '../../../simulator/state.ts';
import { formatBarSize } from '../../pci/bar.ts';
import type { PciDevice } from '../../pci/device.ts';
import type { PciNames } from '../../pci/names.ts';
import type { Snapshot } from '../../pci/snapshot.ts';

/** Each device on a line with its driver, override and resizable BARs. */
export function deviceLines(devices: readonly PciDevice[], names: PciNames, state: MachineState): string[] {
  return devices.map((device) => {
    const name = state.devices[device.address]?.spec.name ?? names.describeModel(device);
    const facts = [
      device.driver ?? 'no driver',
      ...(device.driverOverride === undefined ? [] : [`override ${device.driverOverride}`]),
      ...device.bars
        .filter(({ sizes }) => sizes)
        .map(({ index, size }) => `BAR ${index} ${formatBarSize(size)}`),
    ];
    return `  ${device.address}  ${facts.join(', ').padEnd(62)}  ${name}`;
  });
}

/** Each kernel write and its result, as a shell user would have typed it. */
export function eventLines(entries: readonly JournalEntry[]): string[] {
  return entries.flatMap((entry) => {
    const { operation, value, result, took } = entry;
    // A program that was asked for something has changed nothing.
    if (operation === 'run' && value.split(' ').includes('show')) return [];
    const time = took === undefined ? '' : ` (${Math.round(took)} ms)`;
    return [`  ${commandOf(entry).padEnd(74)} ${result ?? 'has not returned'}${time}`];
  });
}

function commandOf({ operation, path, value }: JournalEntry): string {
  switch (operation) {
    case 'write':
      return `echo ${value.trim()} > ${path}`.replace('echo  >', 'echo >');
    case 'run':
      return `${path} ${value}`;
    case 'load':
    case 'unload':
      return `${operation} ${path}`;
  }
}

/** What differs between two moments of a machine, one fact a line. */
export function differences(before: Snapshot, after: Snapshot): string[] {
  const now = new Map(after.devices.map((device) => [device.address, device]));
  return before.devices.flatMap((device) => {
    const other = now.get(device.address);
    if (!other) return [`${device.address} is gone`];
    const keys = Object.keys({ ...device, ...other }) as (keyof PciDevice)[];
    return keys
      .filter((key) => JSON.stringify(device[key]) !== JSON.stringify(other[key]))
      .map(
        (key) => `${device.address} ${key}: ${JSON.stringify(device[key])} → ${JSON.stringify(other[key])}`,
      );
  });
}
