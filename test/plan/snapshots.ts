import type { Claim, ClaimedDevice } from '../../src/claim/claim.ts';
import type { PciHostdev } from '../../src/domain/domain.ts';
import { parsePciAddress, type PciAddress } from '../../src/pci/address.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import type { Snapshot } from '../../src/pci/snapshot.ts';
import { plan, type Plan, type PlanInput } from '../../src/plan/plan.ts';
import type { DeviceWishes } from '../../src/plan/judgement.ts';
import type { Verdict } from '../../src/plan/verdict.ts';
import { describeStep } from '../../src/steps/index.ts';

export const MIB = 2 ** 20;

/** An address from its short form. */
export function at(text: string): PciAddress {
  const address = parsePciAddress(text);
  if (!address) throw new Error(`${text} is no address`);
  return address;
}

/** A device on vga class, driverless, in group 1, unless told otherwise. */
export function device(address: string, facts: Partial<PciDevice> = {}): PciDevice {
  return {
    address: at(address),
    vendor: '1002',
    device: '744c',
    subsystemVendor: '1da2',
    subsystemDevice: '471e',
    revision: 'c8',
    class: '030000',
    headerType: 'endpoint',
    modalias: 'pci:v00001002d0000744Csv00001DA2sd0000471Ebc03sc00i00',
    iommuGroup: 1,
    onVfio: facts.driver === 'vfio-pci',
    bars: [],
    powerControl: 'on',
    ...facts,
  };
}

/** A GPU on amdgpu with BAR 2 of 256 MiB that can be 8 or 256 MiB. */
export function gpu(facts: Partial<PciDevice> = {}): PciDevice {
  return device('03:00.0', {
    driver: 'amdgpu',
    driverModule: 'amdgpu',
    bars: [
      { index: 0, size: 256 * MIB, flags: 0x14220c, sizes: [256 * MIB, 512 * MIB] },
      { index: 2, size: 256 * MIB, flags: 0x14220c, sizes: [8 * MIB, 256 * MIB] },
      { index: 5, size: MIB, flags: 0x40200 },
    ],
    ...facts,
  });
}

/** Its audio function. */
export function audio(facts: Partial<PciDevice> = {}): PciDevice {
  return device('03:00.1', { device: 'ab30', class: '040300', driver: 'snd_hda_intel', ...facts });
}

/** The same without a driver. */
export function driverless(device: PciDevice): PciDevice {
  const copy: { -readonly [K in keyof PciDevice]: PciDevice[K] } = { ...device, onVfio: false };
  delete copy.driver;
  return copy;
}

/** A snapshot of these devices, one group for each number they name. */
export function snapshot(devices: readonly PciDevice[], facts: Partial<Snapshot> = {}): Snapshot {
  const numbers = [...new Set(devices.flatMap(({ iommuGroup }) => iommuGroup ?? []))];
  return {
    kernelRelease: '6.12.107',
    groups: numbers.map((number) => ({
      number,
      members: devices.filter(({ iommuGroup }) => iommuGroup === number).map(({ address }) => address),
      otherMembers: [],
      open: false,
    })),
    devices,
    drivers: ['amdgpu', 'pcieport', 'snd_hda_intel', 'vfio-pci', 'xhci_hcd'],
    uses: [],
    variants: [],
    asked: [],
    vfio: { interrupts: 'remapped', unsafeInterrupts: false, driver: 'there', backEnd: 'there' },
    silent: [],
    ...facts,
  };
}

/** The devices assigned by `<hostdev>`. */
export function assigned(...addresses: string[]): PciHostdev[] {
  return addresses.map((address) => ({ kind: 'pci', address: at(address), managed: true }));
}

export const guest = { kind: 'guest', name: 'win11', uuid: '00000000-0000-4000-8000-000000000001' } as const;

/** A plan for guest win11. */
export function planFor(
  devices: readonly PciDevice[],
  input: Partial<PlanInput> & { facts?: Partial<Snapshot> } = {},
): Plan {
  return plan({
    owner: guest,
    hostdevs: assigned('03:00.0'),
    wishesFor: () => noWishes,
    snapshot: snapshot(devices, input.facts),
    claims: [],
    ...input,
  });
}

export const noWishes: DeviceWishes = { bars: new Map() };

/** The wish for one BAR of the GPU. */
export function barWish(bar: number, size: number, driver?: string): (device: PciDevice) => DeviceWishes {
  return ({ address }) =>
    address === at('03:00.0')
      ? { bars: new Map([[bar, size]]), ...(driver !== undefined && { driver }) }
      : noWishes;
}

/** A plan as it is printed: its steps, or the refusals. */
export function lines(made: Plan): string[] {
  const refused = made.verdicts.filter((verdict) => verdict.kind === 'refuse');
  return refused.length > 0 ? refused.map(verdictLine) : made.steps.map(describeStep);
}

/** A verdict on one line. */
export function verdictLine(verdict: Verdict): string {
  return `${verdict.kind} ${verdict.device}: ${verdict.kind === 'bind' ? verdict.driver : verdict.code}`;
}

/** A claim of a guest on devices. */
export function claimOf(devices: readonly ClaimedDevice[], facts: Partial<Claim> = {}): Claim {
  return {
    version: 3,
    bootId: 'boot',
    owner: guest,
    state: 'held',
    claimedAt: '2026-01-01T00:00:00.000Z',
    writer: { pid: 1, startTime: 1 },
    kernelWriteTimeout: 30_000,
    groups: [1],
    devices,
    holds: [],
    stuck: [],
    leftovers: [],
    ...facts,
  };
}
