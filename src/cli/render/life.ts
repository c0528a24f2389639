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

/** What a machine is like besides its devices: each fact with what it is. Sessions end for good, so they are none. */
export function factsBesides({
  consoles,
  firmwareFramebuffer,
  firmwareUnbound,
  units,
  logins,
  spec,
  memory,
  frequency,
}: MachineState): ReadonlyMap<string, string> {
  const users = (spec.logins ?? logins).map(({ uid }) => `user ${uid} `);
  const isOfSession = (key: string): boolean =>
    key.endsWith('.scope') || users.some((user) => key.startsWith(user));
  return new Map([
    ...consoles.map(({ text, bound }) => [`text console (${text})`, bound ? 'bound' : 'not bound'] as const),
    ...(firmwareFramebuffer === undefined
      ? []
      : [['frame buffer of the firmware', firmwareUnbound ? 'released' : firmwareFramebuffer] as const]),
    ...Object.entries(units)
      .filter(([key]) => !isOfSession(key))
      .map(([key, { active }]) => [key, active] as const),
    ...(memory?.pools ?? []).flatMap(({ sizeKb, nodes }) =>
      nodes.map(
        ({ nr, surplus }, node) => [`huge pages of ${sizeKb} kB on node ${node}`, `${nr - surplus}`] as const,
      ),
    ),
    ...Object.entries(frequency).map(
      ([policy, { governor }]) => [`governor of ${policy}`, governor] as const,
    ),
  ]);
}

/** What of such facts has changed, one a line. */
export function factsChanged(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => `${name}: ${before.get(name) ?? 'not there'} → ${after.get(name) ?? 'not there'}`);
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
