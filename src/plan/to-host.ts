import type { PciDevice } from '../pci/device.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import { isStub } from '../pci/stub.ts';
import { isVfioName } from '../pci/vfio-name.ts';
import { loadDriver, registeredName } from './driver.ts';
import type { Step } from '../steps/step.ts';

/** Whether a device is kept from the host: it has a vfio driver, a stub, or none at all. */
export function isAway(device: PciDevice): boolean {
  return device.driver === undefined || device.onVfio || isStub(device.driver);
}

/**
 * Gives devices to the host that somebody else took away from it: boot parameters, a script, driverctl. What
 * they were before nobody knows, so the drivers of the host are asked, or the one of `driver` is bound.
 * An override that names a vfio driver or a stub is cleared, since it would keep every other driver away
 * (drivers/pci/pci-driver.c:pci_match_device); any other stays.
 */
export function planToHost(devices: readonly PciDevice[], snapshot: Snapshot, driver?: string): Step[] {
  const chosen = driver === undefined ? undefined : registeredName(driver, snapshot);
  const isInTheWay = (override: string): boolean =>
    chosen === undefined ? isVfioName(override) || isStub(override) : override !== chosen;
  return [
    ...(chosen !== undefined && !snapshot.drivers.includes(chosen) ? [loadDriver(chosen, chosen)] : []),
    ...[...devices]
      .reverse()
      .flatMap(({ address, driver: bound }): Step[] =>
        bound === undefined ? [] : [{ kind: 'unbind', device: address, driver: bound }],
      ),
    ...devices.flatMap(({ address, driverOverride }): Step[] =>
      driverOverride !== undefined && isInTheWay(driverOverride)
        ? [{ kind: 'set', attribute: 'driver-override', key: address, to: '' }]
        : [],
    ),
    ...devices.map(({ address }): Step =>
      chosen === undefined
        ? { kind: 'probe', device: address }
        : { kind: 'bind', device: address, driver: chosen },
    ),
  ];
}
