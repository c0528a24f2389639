import type { PciDevice } from '../../pci/device.ts';
import type { Snapshot } from '../../pci/snapshot.ts';
import type { KindOf } from '../kind.ts';

/**
 * A module of the kernel that is unloaded so that it lets go of devices, and loaded again when they are back; or one that a
 * guest needs. Whether it is loaded is nothing that anybody meant: udev and programs of its driver load such modules by
 * themselves.
 */
export const module: KindOf<'module'> = {
  stage: 'modules',
  changesDevices: true,
  attributes: [],
  fleeting: ['loaded'],
  momentary: true,
  // Loading one loads those that it needs, and what modprobe.d says goes along.
  lock: () => 'modules',
  writes: (key, { path }) => path === `rmmod ${key}`,
  target: (original, [wish]) => (wish ? { loaded: wish.loaded } : original),
  // What was loaded for a guest does no harm, and somebody else may use it by now.
  stays: (now, to) => now.loaded && !to.loaded,
  steps: ({ key, seen, to }) => {
    if (seen.state.loaded === to.loaded) return [];
    return to.loaded
      ? [{ kind: 'load-module', module: key, blacklist: 'overruled' }]
      : [{ kind: 'unload-module', module: key }];
  },
  expect: (snapshot, { key, to }) => (to.loaded ? snapshot : withoutModule(snapshot, key)),
  subject: (key) => `module ${key}`,
  words: (_key, { loaded }) => (loaded ? 'loaded' : 'not loaded'),
};

/** A driver that goes leaves its devices without one, and what only a module keeps of a device is free without it. */
function withoutModule(snapshot: Snapshot, module: string): Snapshot {
  const gone = new Set(
    snapshot.devices.flatMap(({ driver, driverModule }) =>
      driver !== undefined && driverModule === module ? [driver] : [],
    ),
  );
  return {
    ...snapshot,
    drivers: snapshot.drivers.filter((driver) => !gone.has(driver)),
    devices: snapshot.devices.map((device) => (device.driverModule === module ? driverless(device) : device)),
    uses: snapshot.uses.flatMap((use) => {
      if (use.modules?.includes(module) !== true) return [use];
      const modules = use.modules.filter((each) => each !== module);
      return modules.length > 0 ? [{ ...use, modules }] : [];
    }),
  };
}

/** What only a device on a driver has. */
const OF_DRIVER: readonly string[] = ['driver', 'driverModule', 'unbindLock'] satisfies (keyof PciDevice)[];

function driverless(device: PciDevice): PciDevice {
  const kept = Object.entries(device).filter(([name]) => !OF_DRIVER.includes(name));
  // Sound: each of those may be absent.
  return Object.fromEntries(kept) as unknown as PciDevice;
}
