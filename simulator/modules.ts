import { matches } from './driver-core.ts';
import { drmLoaded, drmUnloaded } from './nvidia.ts';
import type { ModuleSpec } from './spec.ts';
import type { MachineState } from './state.ts';
import { deviceLock, done, failed, then, type Outcome, type Work } from './work.ts';

/** A module's name as the kernel writes it: modprobe takes dashes too. */
export function moduleName(name: string): string {
  return name.replaceAll('-', '_');
}

/** What is known of a module, loaded or not. */
export function moduleSpec(state: MachineState, name: string): ModuleSpec | undefined {
  return state.spec.modules.find((each) => each.name === moduleName(name));
}

/**
 * modprobe: what the module depends on comes first, then its drivers are registered and take the devices
 * that match, which with an override in place also means devices that wait for exactly this driver.
 * ENOENT: there is no such module. One that a blacklist names is left out without a word by `modprobe -b`, and is
 * loaded without that option (kmod: tools/modprobe.c).
 */
export function load(state: MachineState, name: string, obeyBlacklist = false): Outcome {
  const spec = moduleSpec(state, name);
  if (!spec) return failed('ENOENT');
  if (obeyBlacklist && state.spec.blacklist?.includes(spec.name)) return done;
  if (spec.builtin || state.modules[spec.name]) return done;
  const missing = [...spec.depends, ...spec.softDepends].filter(
    (each) => !state.modules[each] && !moduleSpec(state, each)?.builtin,
  );
  if (missing.length > 0) {
    return then(...missing.map((module): Work => ({ do: 'load', module })), {
      do: 'load',
      module: spec.name,
    });
  }
  const drivers = register(state, spec);
  if (spec.name === 'nvidia_drm') drmLoaded(state);
  return then(...(state.autoprobe ? drivers.flatMap((driver) => takeDevices(state, driver)) : []));
}

/**
 * delete_module(2): a module that something uses is EAGAIN. Its drivers give up every device they hold,
 * whatever that means for it (drivers/base/dd.c:driver_detach).
 */
export function unload(state: MachineState, name: string): Outcome {
  const spec = moduleSpec(state, name);
  if (!spec || spec.builtin || !state.modules[spec.name]) return failed('ENOENT');
  if (references(state, spec.name) > 0) return failed('EAGAIN');
  const pieces = Object.values(state.devices)
    .filter((device) => moduleOfDriver(state, device.driver) === spec.name)
    .flatMap((device): Work[] => [
      { do: 'lock', key: deviceLock(device.uid) },
      { do: 'detach', uid: device.uid },
      { do: 'unlock', key: deviceLock(device.uid) },
    ]);
  return then(...pieces, { do: 'unregister', module: spec.name });
}

/** Forgets a module and its drivers. */
export function unregister(state: MachineState, name: string): Outcome {
  for (const driver of state.spec.drivers) {
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the state is a JSON object
    if (driver.module === name) delete state.drivers[driver.name];
  }
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the state is a JSON object
  delete state.modules[name];
  if (name === 'nvidia_drm') drmUnloaded(state);
  return done;
}

/** Registers a module and its drivers; returns the drivers' names. */
export function register(state: MachineState, spec: ModuleSpec): string[] {
  const parameters = { ...spec.parameters };
  state.modules[spec.name] = { parameters, idleD3AtLoad: parameters['disable_idle_d3'] !== 'Y' };
  const drivers = state.spec.drivers.filter((driver) => driver.module === spec.name);
  for (const driver of drivers) state.drivers[driver.name] = { spec: driver, dynamicIds: [] };
  return drivers.map((driver) => driver.name);
}

/** Loaded modules that depend on this one: /sys/module/X/holders. */
export function holdersOf(state: MachineState, name: string): string[] {
  return state.spec.modules
    .filter((each) => each.depends.includes(name) && state.modules[each.name])
    .map((each) => each.name);
}

/**
 * /sys/module/X/refcnt: dependants, and users. vfio_pci counts opened devices, not bound ones
 * (drivers/vfio/vfio_main.c:vfio_df_device_first_open); for others open device nodes count, however long they are open.
 */
export function references(state: MachineState, name: string): number {
  const devices = Object.values(state.devices).filter(
    (device) => moduleOfDriver(state, device.driver) === name,
  );
  const opened = devices.reduce((sum, device) => sum + device.users.length, 0);
  const nodes = state.opens.filter((open) => open.module === name).length;
  const containers =
    name === 'vfio_iommu_type1'
      ? Object.values(state.groups).filter((group) => group.ownedBy !== undefined).length
      : 0;
  return holdersOf(state, name).length + opened + nodes + containers;
}

function moduleOfDriver(state: MachineState, driver: string | undefined): string | undefined {
  return driver === undefined ? undefined : state.drivers[driver]?.spec.module;
}

function takeDevices(state: MachineState, name: string): Work[] {
  const driver = state.drivers[name];
  if (!driver) return [];
  return Object.values(state.devices)
    .filter((device) => matches(device, driver))
    .flatMap(({ uid }): Work[] => [
      { do: 'lock', key: deviceLock(uid) },
      { do: 'attach', uid, driver: name, errors: 'quiet' },
      { do: 'unlock', key: deviceLock(uid) },
    ]);
}
