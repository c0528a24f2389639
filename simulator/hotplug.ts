import { assignBelow, barSpec } from './bars.ts';
import { probeUnderLock } from './driver-core.ts';
import { dropEmptyGroup, joinGroup } from './groups.ts';
import { resetMethodsWhenFound } from './power.ts';
import { profileOf } from './profile.ts';
import type { DeviceSpec } from './spec.ts';
import { deviceByUid, type Device, type MachineState, type RemovedDevice } from './state.ts';
import { deviceLock, done, failed, then, type Outcome, type Work } from './work.ts';

/**
 * Puts a device on the bus, driverless, without addresses for its BARs. `resetMethods`: those that work as it is
 * added, when they are not those of the spec.
 */
export function addDevice(
  state: MachineState,
  spec: DeviceSpec,
  resetMethods: readonly string[] = spec.resetMethods,
): Device {
  const group = joinGroup(state, spec);
  const device: Device = {
    uid: (state.next.uid += 1),
    spec,
    linked: false,
    ...(spec.driverOverride !== undefined && { driverOverride: spec.driverOverride }),
    ...(group !== undefined && { group }),
    resettable: resetMethods.length > 0,
    resetMethods: [...resetMethods],
    powerControl: spec.powerControl,
    powerState: 'D0',
    d3coldAllowed: spec.d3coldAllowed,
    enabled: 0,
    bars: spec.bars.map(({ index, size }) => ({ index, size, start: -1 })),
    numVfs: 0,
    vfAutoprobe: true,
    ...(spec.vgpuType !== undefined && { vgpuType: spec.vgpuType }),
    users: [],
    resets: 0,
  };
  state.devices[spec.address] = device;
  return device;
}

/**
 * A write to `remove`, or a pulled card: what is behind the device goes first, each driver's remove() is
 * waited for, all with the bus lock held (drivers/pci/remove.c:pci_stop_and_remove_bus_device_locked).
 * `keep`: the card stays in its slot, a rescan finds it.
 */
export function removeTree(state: MachineState, uid: number, keep: boolean): Outcome {
  const device = deviceByUid(state, uid);
  if (!device) return failed('ENODEV');
  const children = Object.values(state.devices)
    .filter((each) => each.spec.behind === device.spec.address && each.spec.physicalFunction === undefined)
    .map((each): Work => ({ do: 'remove-tree', uid: each.uid, keep }));
  const vfs: Work[] = device.numVfs > 0 ? [{ do: 'drop-vfs', uid }] : [];
  return then(...children, ...vfs, ...detachAndDelete(uid, keep));
}

/** The pieces that stop one device and take it off the bus. */
export function detachAndDelete(uid: number, keep: boolean): Work[] {
  const key = deviceLock(uid);
  return [
    { do: 'lock', key },
    { do: 'detach', uid },
    { do: 'unlock', key },
    { do: 'delete', uid, keep },
  ];
}

/** Takes a driverless device off the bus. What its driver override, power control and reset methods were is lost. */
export function deleteDevice(state: MachineState, uid: number, keep: boolean): Outcome {
  const device = deviceByUid(state, uid);
  if (!device) return done;
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the state is a JSON object
  delete state.devices[device.spec.address];
  dropEmptyGroup(state, device.group);
  if (keep) state.removed.push(asFound(device));
  return done;
}

/** A rescan of the bus: devices that are still in their slots come back as new ones, and drivers take them. */
export function rescan(state: MachineState): Outcome {
  const found: Device[] = [];
  for (let again = true; again;) {
    again = false;
    // The bus is scanned in the order of the addresses, whatever went first.
    for (const card of [...state.removed].sort((a, b) => (a.spec.address < b.spec.address ? -1 : 1))) {
      const { behind } = card.spec;
      if (behind !== undefined && !state.devices[behind]) continue;
      state.removed = state.removed.filter((each) => each !== card);
      const device = addDevice(state, card.spec, resetMethodsWhenFound(state, card.spec));
      device.bars = card.bars.map((bar) => ({ ...bar }));
      found.push(device);
      again = true;
    }
  }
  for (const device of found) {
    if (!found.some((each) => each.spec.address === device.spec.behind)) assignBelow(state, device);
  }
  const binds = state.autoprobe || !profileOf(state.spec.kernel).autoprobeCoversHotAdd;
  return then(...(binds ? found.flatMap((device) => probeUnderLock(device.uid, false)) : []));
}

/**
 * What a scan finds of a card that stayed in its slot: the sizes of its BARs are kept in the card, what the
 * kernel had set is not.
 */
function asFound(device: Device): RemovedDevice {
  const { spec } = device;
  const found: { -readonly [Key in keyof DeviceSpec]: DeviceSpec[Key] } = {
    ...spec,
    powerControl: 'on',
    ...(spec.sriov && { sriov: { ...spec.sriov, numVfs: 0 } }),
  };
  delete found.driverOverride;
  const bars = device.bars.map((bar) =>
    barSpec(device, bar.index)?.kind === 'pref64' ? { ...bar, start: -1 } : { ...bar },
  );
  return { spec: found, bars };
}
