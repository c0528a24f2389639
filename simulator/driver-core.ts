import { consoleDriverBound, consoleDriverGone } from './consoles.ts';
import type { Errno } from './errno.ts';
import { faultDelay, nextFault } from './faults.ts';
import { freeIrqs, requestIrqs } from './irq.ts';
import { unregisterParent } from './mdev.ts';
import { cardBound, cardGone, cardLeaves } from './nvidia.ts';
import { disconnectNodes } from './open-nodes.ts';
import { profileOf } from './profile.ts';
import { deviceByUid, driverOf, logLine, type Device, type Driver, type MachineState } from './state.ts';
import { vfInterfaceUp } from './vf-network.ts';
import { logRequest, vfioBound, vfioProbeError, vfioUnbound } from './vfio.ts';
import { deviceLock, done, failed, then, type Attach, type Outcome, type Work } from './work.ts';

/**
 * Whether a driver takes a device (drivers/pci/pci-driver.c:pci_match_device): with an override only the
 * driver of that name, for any device; else dynamic ids, then the id table. vfio drivers have only entries
 * that ask for an override.
 */
export function matches(device: Device, driver: Driver): boolean {
  if (device.driverOverride !== undefined) return device.driverOverride === driver.spec.name;
  const id = `${device.spec.vendor}:${device.spec.device}`;
  return driver.dynamicIds.includes(id) || (!driver.spec.vfio && driver.spec.ids.includes(id));
}

/** The pieces that offer a device to the drivers, under its lock. */
export function probeUnderLock(uid: number, strict: boolean): Work[] {
  const key = deviceLock(uid);
  return [
    { do: 'lock', key },
    { do: 'probe', uid, strict },
    { do: 'unlock', key },
  ];
}

/** device_attach: every matching driver in the order of registration, until one takes the device. */
export function probe(state: MachineState, uid: number, strict: boolean): Outcome {
  const device = deviceByUid(state, uid);
  if (!device || device.driver !== undefined) return done;
  return then(
    ...Object.values(state.drivers)
      .filter((driver) => matches(device, driver))
      .map((driver): Work => ({
        do: 'attach',
        uid,
        driver: driver.spec.name,
        errors: strict ? 'probe' : 'quiet',
      })),
  );
}

/** device_driver_attach and really_probe (drivers/base/dd.c). */
export function attach(state: MachineState, work: Attach): Outcome {
  const { errors } = work;
  const device = deviceByUid(state, work.uid);
  const driver = state.drivers[work.driver];
  if (!device || !driver) return errors === 'bind' ? failed('ENODEV') : done;
  if (device.driver !== undefined) return errors === 'bind' ? failed('EBUSY') : done;
  const profile = profileOf(state.spec.kernel);
  const intrudes = driver.spec.dma === 'native' && ownerOf(state, device) !== undefined;
  if (intrudes && profile.nativeBindIntoOwnedGroup === 'EBUSY') {
    if (errors === 'quiet') return done;
    return failed(errors === 'bind' ? 'EBUSY' : 'EINVAL');
  }
  if (work.resumed === undefined) {
    const fault = nextFault(state, { on: 'probe', path: `${work.driver}/${device.spec.address}` });
    if (fault?.effect.kind === 'fail') return probeFailed(state, device, work, fault.effect.errno);
    if (fault?.effect.kind === 'lie') return done;
    const first = faultDelay(state, fault);
    if (first.length > 0) return then(...first, { ...work, resumed: true });
  }
  const refused = probeError(state, device, driver);
  if (refused !== undefined) return probeFailed(state, device, work, refused);
  bound(state, device, driver);
  if (intrudes) {
    logLine(state, 'kernel BUG at drivers/vfio/vfio.c: vfio_iommu_group_notifier');
    return then({ do: 'wedge', reason: 'a native driver was bound into a group that a guest owns' });
  }
  return done;
}

/** The first half of an unbind: the links are gone before the driver's remove() is called (__device_release_driver). */
export function detach(state: MachineState, uid: number): Outcome {
  const device = deviceByUid(state, uid);
  if (device?.driver === undefined) return done;
  const driver = device.driver;
  device.linked = false;
  if (device.users.length > 0) logRequest(state, device);
  disconnectNodes(state, uid);
  cardLeaves(state, uid);
  const fault = nextFault(state, { on: 'remove', path: `${driver}/${device.spec.address}` });
  const dropsVfs = device.numVfs > 0 && !driverOf(state, device)?.spec.leavesVfs;
  const mdevs = unregisterParent(state, device.spec.address);
  return then(
    ...faultDelay(state, fault),
    ...mdevs,
    ...(dropsVfs ? [{ do: 'drop-vfs', uid } as const] : []),
    {
      do: 'removed',
      uid,
      driver,
    },
  );
}

/** The second half: remove() has to return before the binding is cleared. */
export function removed(state: MachineState, uid: number, driver: string): Outcome {
  const device = deviceByUid(state, uid);
  if (device?.driver !== driver) return done;
  const reason = holdUp(state, device);
  if (reason !== undefined) return { kind: 'wait', for: reason };
  const spec = driverOf(state, device)?.spec;
  freeIrqs(state, device);
  delete device.driver;
  cardGone(device);
  delete device.unbindLock;
  delete device.mac;
  if (device.vgpuType !== undefined) Object.assign(device, { vgpuType: 0, vgpuLost: true });
  device.enabled = 0;
  if (spec?.vfio) vfioUnbound(device);
  if (device.powerState === 'D0') device.powerState = profileOf(state.spec.kernel).powerStateAfterDriver;
  if (spec?.console) consoleDriverGone(state);
  return done;
}

/** What the driver's remove() waits for, in words; undefined when it returns at once. */
export function holdUp(state: MachineState, device: Device): string | undefined {
  switch (driverOf(state, device)?.spec.removeWaits) {
    case 'guests':
      return device.users.length > 0 ? `${device.spec.address} is open in a guest` : undefined;
    case 'nodes':
      if (device.drmClient) return `nvidia_drm has ${device.spec.address} open`;
      return state.opens.some((open) => open.uid === device.uid)
        ? `device nodes of ${device.spec.address} are open`
        : undefined;
    case 'never':
    case undefined:
      return undefined;
  }
}

function ownerOf(state: MachineState, device: Device): number | undefined {
  return device.group === undefined ? undefined : state.groups[device.group]?.ownedBy;
}

function probeError(state: MachineState, device: Device, driver: Driver): Errno | undefined {
  const physical = state.devices[device.spec.physicalFunction ?? ''];
  // pci_device_can_probe: a virtual function without an override, where the physical one forbids it.
  if (physical && !physical.vfAutoprobe && device.driverOverride === undefined) return 'ENODEV';
  return driver.spec.vfio ? vfioProbeError(device) : undefined;
}

function probeFailed(state: MachineState, device: Device, work: Attach, errno: Errno): Outcome {
  logLine(state, `${work.driver} ${device.spec.address}: probe with driver ${work.driver} failed: ${errno}`);
  return work.errors === 'bind' ? failed(errno) : done;
}

function bound(state: MachineState, device: Device, driver: Driver): void {
  device.driver = driver.spec.name;
  device.linked = true;
  device.powerState = 'D0';
  device.enabled = driver.spec.name === 'pci-stub' ? 0 : 1;
  if (driver.spec.vfio) vfioBound(state, device);
  if (driver.spec.console) consoleDriverBound(state, device);
  vfInterfaceUp(state, device);
  cardBound(state, device);
  if (driver.spec.dma === 'native') requestIrqs(state, device);
}
