import { claimedBy } from '../scenario.ts';
import type { Claim, ClaimedDevice } from '../../src/claim/claim.ts';
import type { Device, MachineState } from '../../simulator/state.ts';
import { observe } from '../simulator/observe.ts';
import { isHeldBack, isOfHoldAlone, missingWish, wrongHold } from './hold-invariants.ts';
import type { Runs } from './runs.ts';
import { domainOf, type Setting, type World } from './world.ts';

/** Checks of single worlds, each result remembered for the machine and claims that it was found for. */
export class Invariants {
  readonly #setting: Setting;
  readonly #runs: Runs;
  readonly #known = new Map<string, string | undefined>();

  constructor(setting: Setting, runs: Runs) {
    this.#setting = setting;
    this.#runs = runs;
  }

  /** What is wrong with a world, in a sentence; undefined when nothing is. */
  wrong(world: World): string | undefined {
    return this.#ofRecord(world) ?? this.#ofGuests(world);
  }

  #ofRecord(world: World): string | undefined {
    const key = `${world.machine} ${world.claims}`;
    if (!this.#known.has(key)) {
      const { machines } = this.#runs;
      const wrong =
        machines.faults(world.machine)[0] ??
        this.#wrongClaims(world) ??
        lost(machines.drift(world.machine), this.#runs.stored(world).claims, machines.state(world.machine)) ??
        forgotten(machines.state(world.machine), this.#runs.stored(world).claims);
      this.#known.set(key, wrong);
    }
    return this.#known.get(key);
  }

  /** Claims can be read, name what was there at the boot, and no device twice. */
  #wrongClaims(world: World): string | undefined {
    const { claims, damaged } = this.#runs.stored(world);
    if (damaged[0]) return `the claim ${damaged[0].path} cannot be read: ${damaged[0].reason}`;
    const owners = new Map<string, string>();
    for (const { guest, device } of claims.flatMap((claim) =>
      claim.devices.map((each) => ({ guest: claimedBy(claim), device: each })),
    )) {
      const other = owners.get(device.address);
      if (other !== undefined) return `${device.address} is claimed by ${other} and by ${guest}`;
      owners.set(device.address, guest);
      const wrong = this.#wrongOriginal(device);
      if (wrong !== undefined) return `the claim of ${guest} ${wrong}`;
    }
    const { machines } = this.#runs;
    for (const claim of claims) {
      const [wrong] = claim.holds.flatMap((hold) => wrongHold(machines.state(machines.booted), hold) ?? []);
      if (wrong !== undefined) return `the claim of ${claimedBy(claim)} ${wrong}`;
    }
    return undefined;
  }

  #wrongOriginal({ address, original }: ClaimedDevice): string | undefined {
    const { machines } = this.#runs;
    const device = machines.state(machines.booted).devices[address] ?? MADE;
    const said = [
      original.driver,
      original.driverOverride,
      original.powerControl,
      original.resetMethods?.join(' '),
    ];
    const was = [device.driver, device.driverOverride, device.powerControl, device.resetMethods.join(' ')];
    const at = said.findIndex((fact, index) => (fact ?? '') !== (was[index] ?? ''));
    if (at < 0) return undefined;
    return `has ${JSON.stringify(said[at] ?? 'nothing')} as an original of ${address}, which was ${JSON.stringify(was[at] ?? 'nothing')}`;
  }

  /** Who was told that its devices are there has them, alone, from then until its QEMU is gone. */
  #ofGuests(world: World): string | undefined {
    const state = this.#runs.machines.state(world.machine);
    const taken = new Map<number, string>();
    for (const { name, phase, starts } of world.guests) {
      if (phase !== 'starting' && phase !== 'running') continue;
      const claim = this.#runs.stored(world).claims.find((each) => claimedBy(each) === name);
      for (const hostdev of domainOf(this.#setting, name, starts).hostdevs) {
        if (!('address' in hostdev)) continue;
        const { address } = hostdev;
        const device = state.devices[address];
        if (!claim?.devices.some((each) => each.address === address)) {
          return `${name} is ${phase} and no claim of it has ${address}`;
        }
        if (!device) return `${name} is ${phase} and its ${address} is gone`;
        // A vGPU's function stays where it is.
        const driver = device.vgpuType === undefined ? 'vfio-pci' : 'nvidia';
        if (device.driver !== driver || !device.linked) {
          return `${name} is ${phase} and its ${address} is on ${device.driver ?? 'no driver'}`;
        }
        const other = taken.get(device.group ?? -1);
        if (other !== undefined && other !== name)
          return `${other} and ${name} both have group ${device.group}`;
        taken.set(device.group ?? -1, name);
      }
      const isAllowed = this.#setting.config?.allowUnsafeInterrupts === true;
      if (isAllowed && observe(state)[PARAMETER] !== 'Y')
        return `${name} is ${phase} and ${PARAMETER} is off`;
    }
    const { machines } = this.#runs;
    return missingWish(this.#setting, machines.state(machines.booted), state, world);
  }
}

/** A virtual function as it comes (simulator/sriov.ts:vfSpec); the only device that no machine of the model boots with. */
const MADE: Pick<Device, 'driver' | 'driverOverride' | 'powerControl' | 'resetMethods'> = {
  powerControl: 'on',
  resetMethods: ['flr'],
};

/** The parameter that owners share, as an observation calls it. */
const PARAMETER = 'allow_unsafe_interrupts';

/** What is not as at the boot must be in a claim: without it nobody would put it back. */
function lost(drift: readonly string[], claims: readonly Claim[], state: MachineState): string | undefined {
  const claimed = new Set<string>(claims.flatMap(({ devices }) => devices.map(({ address }) => address)));
  if (claims.some(({ unsafeInterrupts }) => unsafeInterrupts)) claimed.add(PARAMETER);
  const holds = claims.flatMap((claim) => claim.holds);
  return drift
    .filter((line) => !(claimed.has(line.split(/:? /)[0] ?? '') && !isOfHoldAlone(line)))
    .filter((line) => !isHeldBack(line, holds, state))
    .map((line) => `it is in no claim that ${line}`)[0];
}

/**
 * A write that has not returned takes effect some day. So a claim has to be there that is about the same, or names the
 * write: that is what others look for before they touch it.
 */
function forgotten({ tasks, journal }: MachineState, claims: readonly Claim[]): string | undefined {
  for (const { id, writer } of tasks) {
    const call = journal.find((entry) => entry.id === id);
    if (call?.operation !== 'write') continue;
    const what = `${call.path} ${call.value}`;
    const isKnown = claims.some(
      ({ devices, holds, stuck, unsafeInterrupts }) =>
        stuck.some((each) => each.writer.pid === writer) ||
        devices.some(({ address }) => what.includes(address)) ||
        holds.some(({ kind, key }) => what.includes(kind === 'hugepages' ? 'nr_hugepages' : key)) ||
        (unsafeInterrupts && what.includes(PARAMETER)),
    );
    if (!isKnown)
      return `no claim is about the write of ${call.value.trim()} to ${call.path}, which has not returned`;
  }
  return undefined;
}
