import { matches, probeUnderLock } from './driver-core.ts';
import { devicePath, type Device, type Driver, type MachineState } from './state.ts';
import { cString, writtenName } from './text.ts';
import { directory, link, type Directory, type Node } from './tree.ts';
import { storeOne } from './view-device.ts';
import { deviceLock, done, failed, then, type Outcome } from './work.ts';

/** /sys/bus/pci (drivers/base/bus.c). */
export function pciBus(state: MachineState): Directory {
  return directory({
    devices: directory(mapValues(state.devices, (device) => () => link(devicePath(state, device)))),
    drivers: directory(mapValues(state.drivers, (driver) => () => driverDirectory(state, driver))),
    drivers_probe: { kind: 'file', store: (data) => storeDriversProbe(state, data) },
    drivers_autoprobe: {
      kind: 'file',
      text: () => `${state.autoprobe ? 1 : 0}\n`,
      store: (data) => {
        state.autoprobe = !data.startsWith('0');
        return done;
      },
    },
    rescan: { kind: 'file', store: (data) => storeOne(data, [{ do: 'rescan' }]) },
  });
}

/** The same with every value changed. */
export function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  change: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

function driverDirectory(state: MachineState, driver: Driver): Directory {
  const { name, module } = driver.spec;
  const entries: Record<string, Node> = {
    bind: { kind: 'file', store: (data) => storeBind(state, driver, data) },
    unbind: { kind: 'file', store: (data) => storeUnbind(state, driver, data) },
    new_id: { kind: 'file', store: (data) => storeNewId(state, driver, data) },
    remove_id: { kind: 'file', store: (data) => storeRemoveId(driver, data) },
    uevent: { kind: 'file', store: () => done },
    ...(module !== undefined && { module: link(`/sys/module/${module}`) }),
  };
  for (const device of Object.values(state.devices)) {
    if (device.driver === name && device.linked)
      entries[device.spec.address] = link(devicePath(state, device));
  }
  return directory(entries);
}

/** bus_find_device_by_name: the exact name, with at most one newline. */
function named(state: MachineState, data: string): Device | undefined {
  const name = writtenName(data);
  return Object.hasOwn(state.devices, name) ? state.devices[name] : undefined;
}

/** bind_store: the device has to match before its lock is taken, so that no match is ENODEV even when it is bound elsewhere. */
function storeBind(state: MachineState, driver: Driver, data: string): Outcome {
  const device = named(state, data);
  if (!device || !matches(device, driver)) return failed('ENODEV');
  const { uid } = device;
  return then(
    { do: 'lock', key: deviceLock(uid) },
    { do: 'attach', uid, driver: driver.spec.name, errors: 'bind' },
  );
}

/**
 * unbind_store: whose device it is is asked before the lock is taken, and once it is held any driver is
 * taken off: an unbind that waited removes the driver that came in between.
 */
function storeUnbind(state: MachineState, driver: Driver, data: string): Outcome {
  const device = named(state, data);
  if (device?.driver !== driver.spec.name) return failed('ENODEV');
  return then({ do: 'lock', key: deviceLock(device.uid) }, { do: 'detach', uid: device.uid });
}

/** drivers_probe_store: a device with a driver, also one whose remove() still runs, is a success at once. */
function storeDriversProbe(state: MachineState, data: string): Outcome {
  const device = named(state, data);
  if (!device) return failed('ENODEV');
  return device.driver === undefined ? then(...probeUnderLock(device.uid, true)) : done;
}

interface Id {
  readonly id: string;
  readonly fields: number;
  readonly data: number;
}

/** `vendor device [subvendor subdevice class mask data]` in hexadecimal (drivers/pci/pci-driver.c:new_id_store, sscanf). */
function parseId(data: string): Id | undefined {
  const fields = cString(data).trim().split(/\s+/);
  const numbers = [];
  for (const field of fields) {
    if (!/^(0x)?[0-9a-f]{1,8}$/i.test(field)) break;
    numbers.push(parseInt(field, 16));
  }
  const [vendor, device] = numbers;
  if (vendor === undefined || device === undefined) return undefined;
  const digits = (value: number): string => value.toString(16).padStart(4, '0');
  return { id: `${digits(vendor)}:${digits(device)}`, fields: numbers.length, data: numbers[6] ?? 0 };
}

/** new_id: then every unbound device with this id is bound, whoever it was meant for. */
function storeNewId(state: MachineState, driver: Driver, data: string): Outcome {
  const parsed = parseId(data);
  if (!parsed) return failed('EINVAL');
  const known = driver.dynamicIds.includes(parsed.id) || driver.spec.ids.includes(parsed.id);
  if (known) return failed('EEXIST');
  // driver_data has to be one that an entry of the id table has; ours have 0.
  if (parsed.data !== 0) return failed('EINVAL');
  driver.dynamicIds.push(parsed.id);
  const name = driver.spec.name;
  return then(
    ...Object.values(state.devices)
      .filter((device) => matches(device, driver))
      .flatMap(({ uid }) => [
        { do: 'lock', key: deviceLock(uid) } as const,
        { do: 'attach', uid, driver: name, errors: 'quiet' } as const,
        { do: 'unlock', key: deviceLock(uid) } as const,
      ]),
  );
}

function storeRemoveId(driver: Driver, data: string): Outcome {
  const parsed = parseId(data);
  if (!parsed) return failed('EINVAL');
  if (!driver.dynamicIds.includes(parsed.id)) return failed('ENODEV');
  driver.dynamicIds = driver.dynamicIds.filter((id) => id !== parsed.id);
  return done;
}
