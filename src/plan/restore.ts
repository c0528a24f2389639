import { goesWithHolds, type Claim, type ClaimedDevice } from '../claim/claim.ts';
import { formatBarSize } from '../pci/bar.ts';
import type { PciDevice } from '../pci/device.ts';
import { deviceAt, type Snapshot } from '../pci/snapshot.ts';
import { sysfs } from '../pci/sysfs.ts';
import { loadDriver } from './driver.ts';
import { pinsBefore, resetMethodsBack } from './pins.ts';
import type { Step } from '../steps/step.ts';

/** How to put a claim's originals back, from where the host is now. */
export interface RestorePlan {
  readonly steps: readonly Step[];
  /** What was found otherwise than expected and is left alone, one sentence each. */
  readonly notes: readonly string[];
  /** What is not back and cannot be put back while somebody else's driver has the device, one sentence each. */
  readonly left: readonly string[];
}

/**
 * Plans the way back: not a replay of inverses, but a new plan from the originals of the claim and the host
 * as it is now. It is the same for a release, for the roll-back of a failed start, for `recover` and for
 * doing any of them twice; where everything is back already, it has no steps.
 *
 * A device is moved only from where this program or libvirt put it: a vfio driver, or no driver. Whoever
 * bound it to something else meanwhile meant it.
 */
export function planRestore(
  claim: Pick<Claim, 'devices'> & Partial<Pick<Claim, 'holds'>>,
  snapshot: Pick<Snapshot, 'devices' | 'drivers'>,
): RestorePlan {
  const ways = claim.devices.map((claimed) =>
    wayBack(claimed, deviceAt(snapshot, claimed.address), claim.holds ?? []),
  );
  const modules = new Map(ways.flatMap((way) => way.binds).map((bind) => [bind.driver, bind.module]));
  return {
    steps: [
      // While the devices still sit on vfio drivers: a module that is loaded later would take them at once.
      ...[...modules]
        .filter(([driver]) => !snapshot.drivers.includes(driver))
        .map(([driver, module]) => loadDriver(module, driver)),
      ...[...ways].reverse().flatMap((way) => way.unbinds),
      ...ways.flatMap((way) => way.resizes),
      ...ways.flatMap((way) => way.overrides),
      ...ways.flatMap((way) =>
        way.binds.map(({ device, driver }): Step => ({ kind: 'bind', device, driver })),
      ),
      ...ways.flatMap((way) => way.afterwards),
    ],
    notes: ways.flatMap((way) => way.notes),
    left: ways.flatMap((way) => way.left),
  };
}

interface WayBack {
  readonly unbinds: readonly Step[];
  readonly resizes: readonly Step[];
  readonly overrides: readonly Step[];
  readonly binds: readonly {
    readonly device: ClaimedDevice['address'];
    readonly driver: string;
    readonly module: string;
  }[];
  readonly afterwards: readonly Step[];
  readonly notes: readonly string[];
  readonly left: readonly string[];
}

const nothing: WayBack = {
  unbinds: [],
  resizes: [],
  overrides: [],
  binds: [],
  afterwards: [],
  notes: [],
  left: [],
};

function wayBack(claimed: ClaimedDevice, device: PciDevice | undefined, holds: Claim['holds']): WayBack {
  const { address, original } = claimed;
  if (claimed.chosen === true) {
    const still = `${address} is still on ${device?.driver ?? 'vfio'}: libvirt, which took it, has not given it back`;
    return {
      ...nothing,
      afterwards: device && isSameCard(device, claimed) ? pinsBack(claimed, device) : [],
      notes: device?.onVfio === true ? [still] : [],
    };
  }
  if (!device) {
    // An earlier run may have come as far as to take the virtual functions away.
    return goesWithHolds(claimed, holds)
      ? nothing
      : { ...nothing, notes: [`${address} is gone from the bus`] };
  }
  if (!isSameCard(device, claimed)) {
    return {
      ...nothing,
      notes: [`another device sits at ${address} now (${device.vendor}:${device.device})`],
    };
  }
  const ours = device.driver === undefined || device.onVfio || device.driver === claimed.driver;
  const home = device.driver === original.driver;
  const resizes = original.bars
    .map(({ bar, size }) => ({
      bar,
      from: device.bars.find(({ index }) => index === bar)?.size ?? 0,
      to: size,
    }))
    .filter(({ from, to }) => from !== to);
  if (!ours && resizes.length > 0) {
    // A driver is at work on the device: taking it away could take the screen with it, and no BAR changes under it.
    return {
      ...nothing,
      overrides: home ? overrideSteps(device, original.driverOverride) : [],
      afterwards: pinsBack(claimed, device),
      left: [barsLeft(device, resizes)],
    };
  }
  if (!ours && !home) {
    return {
      ...nothing,
      // Whatever its driver is, this is the device's own.
      afterwards: pinsBack(claimed, device),
      notes: [`${address} was bound to ${JSON.stringify(device.driver)} by somebody else meanwhile`],
    };
  }

  const moves = !home || resizes.length > 0;
  // An override that names another driver keeps the original one away (drivers/pci/pci-driver.c:
  // pci_match_device), so such an override comes back only after the bind.
  const late =
    moves &&
    original.driver !== undefined &&
    original.driverOverride !== undefined &&
    original.driverOverride !== original.driver;
  return {
    unbinds:
      moves && device.driver !== undefined
        ? [{ kind: 'unbind', device: address, driver: device.driver }]
        : [],
    resizes: resizes.map((change): Step => ({ kind: 'resize-bar', device: address, ...change })),
    overrides: overrideSteps(device, late ? undefined : original.driverOverride),
    binds:
      moves && original.driver !== undefined
        ? [{ device: address, driver: original.driver, module: original.module ?? original.driver }]
        : [],
    afterwards: [
      ...unlocked(claimed, device),
      ...(late ? [overrideStep(address, original.driverOverride)] : []),
      ...powerBack(claimed, device, moves),
      ...pinsBack(claimed, device),
    ],
    notes: [],
    left: [],
  };
}

/** A card that was to be taken from its driver, and has it still, is opened by the host again. */
function unlocked({ address, driver }: ClaimedDevice, { unbindLock }: PciDevice): Step[] {
  if (driver === undefined || unbindLock !== 'taken') return [];
  return [{ kind: 'set', attribute: 'unbind-lock', key: address, to: '0' }];
}

function barsLeft(
  { address, driver }: PciDevice,
  resizes: readonly { readonly bar: number; readonly from: number; readonly to: number }[],
): string {
  const sizes = resizes.map(
    ({ bar, from, to }) => `BAR ${bar} is still ${formatBarSize(from)} and was ${formatBarSize(to)}`,
  );
  return `${address} was given to ${JSON.stringify(driver)} by somebody else meanwhile: ${sizes.join(', ')}; to have that back, take it from the driver first: echo ${address} > ${sysfs.driver(driver ?? '')}/unbind`;
}

function isSameCard(device: PciDevice, claimed: ClaimedDevice): boolean {
  return device.vendor === claimed.vendor && device.device === claimed.device;
}

function powerBack({ address, original }: ClaimedDevice, device: PciDevice, moves: boolean): Step[] {
  // Moving between drivers changes it on the way (vfio-pci sets auto when it binds and forces on when it
  // lets go, drivers/vfio/pci/vfio_pci_core.c), so what it is now does not tell what it will be.
  if (original.powerControl !== undefined && (moves || device.powerControl !== original.powerControl)) {
    return [{ kind: 'set', attribute: 'power-control', key: address, to: original.powerControl }];
  }
  return [];
}

/** How it is reset and whether it may lose its power, as far as that is not as it was; no driver minds. */
function pinsBack({ original }: ClaimedDevice, device: PciDevice): Step[] {
  const methods = resetMethodsBack(original, device);
  const cold = original.d3coldAllowed;
  const isReset = device.resetMethods === undefined || methods?.join(' ') === device.resetMethods.join(' ');
  return pinsBefore(device, {
    ...(methods && !isReset && { resetMethods: methods }),
    ...(cold !== undefined &&
      device.d3coldAllowed !== undefined &&
      cold !== device.d3coldAllowed && { d3coldAllowed: cold }),
  });
}

function overrideSteps(device: PciDevice, to: string | undefined): Step[] {
  return device.driverOverride === to ? [] : [overrideStep(device.address, to)];
}

function overrideStep(device: ClaimedDevice['address'], to = ''): Step {
  return { kind: 'set', attribute: 'driver-override', key: device, to };
}
