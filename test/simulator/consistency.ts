import { barSpec, bridgeAbove } from '../../simulator/bars.ts';
import { hasVfioDevice, isViable } from '../../simulator/groups.ts';
import { driverOf, groupMembers, type Device, type MachineState } from '../../simulator/state.ts';

/** What cannot be true of a real machine, a sentence each; empty for every state that calls can lead to. */
export function inconsistencies(state: MachineState): string[] {
  return [
    ...Object.values(state.devices).flatMap((device) => aboutDevice(state, device)),
    ...Object.values(state.groups).flatMap((group) => aboutGroup(state, group.number)),
    ...aboutLocks(state),
    ...aboutMemory(state),
  ];
}

function aboutDevice(state: MachineState, device: Device): string[] {
  const { address } = device.spec;
  const driver = driverOf(state, device);
  const found: string[] = [];
  if (device.driver !== undefined && !driver)
    found.push(`${address} is bound to ${device.driver}, which is not there`);
  if (device.linked && device.driver === undefined)
    found.push(`${address} has a driver link without a driver`);
  if (device.group !== undefined && !state.groups[device.group])
    found.push(`${address} is in a group that is not there`);
  if (device.users.length > 0 && !hasVfioDevice(state, device))
    found.push(`${address} is open in a guest without a vfio driver`);
  if (device.users.some((pid) => !state.processes.some((each) => each.pid === pid))) {
    found.push(`${address} is open in a process that is not there`);
  }
  const parent = device.spec.behind;
  if (parent !== undefined && !state.devices[parent])
    found.push(`${address} is behind ${parent}, which is not there`);
  if (device.bars.some((bar) => bar.start >= 0 && bar.start % bar.size !== 0)) {
    found.push(`${address} has a BAR that is not aligned to its size`);
  }
  return found;
}

function aboutGroup(state: MachineState, number: number): string[] {
  const group = state.groups[number];
  const isMdev = Object.values(state.mdevs).some((mdev) => mdev.group === number);
  const found: string[] = [];
  if (!isMdev && groupMembers(state, number).length === 0) found.push(`group ${number} is empty`);
  const broken = state.log.some((line) => line.startsWith('kernel BUG'));
  if (group?.ownedBy !== undefined && !isViable(state, number) && !broken) {
    found.push(`group ${number} is owned by a guest while a native driver has a member`);
  }
  return found;
}

function aboutLocks(state: MachineState): string[] {
  const held = Object.entries(state.locks).filter(
    ([key, lock]) => !state.tasks.some((task) => task.id === lock.holder && task.locks.includes(key)),
  );
  return held.map(([key]) => `the lock ${key} has no holder`);
}

/** BARs above 4 GiB do not overlap, and each one is within the window of the bridge above it. */
function aboutMemory(state: MachineState): string[] {
  const found: string[] = [];
  const taken: { readonly start: number; readonly end: number; readonly what: string }[] = [];
  for (const device of Object.values(state.devices)) {
    const window = bridgeAbove(state, device)?.window;
    for (const bar of device.bars) {
      if (bar.start < 0 || barSpec(device, bar.index)?.kind !== 'pref64') continue;
      const range = {
        start: bar.start,
        end: bar.start + bar.size,
        what: `${device.spec.address} BAR ${bar.index}`,
      };
      const clash = taken.find((each) => each.start < range.end && range.start < each.end);
      if (clash) found.push(`${range.what} overlaps ${clash.what}`);
      taken.push(range);
      const bridged = bridgeAbove(state, device) !== undefined;
      if (bridged && (!window || range.start < window.start || range.end > window.start + window.size)) {
        found.push(`${range.what} is outside the window of the bridge above it`);
      }
    }
  }
  return found;
}
