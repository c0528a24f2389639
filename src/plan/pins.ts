import type { Claim, ClaimedDevice, Original } from '../claim/claim.ts';
import { advice, type Hint } from '../hint.ts';
import type { PciDevice } from '../pci/device.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Step } from '../steps/step.ts';
import type { DeviceWishes } from './judgement.ts';

/** What is set of a device for as long as its owner has it: how it is reset, and whether it may sleep. */
export interface Pins {
  readonly resetMethods?: readonly string[];
  readonly powerControl?: 'on' | 'auto';
  readonly d3coldAllowed?: boolean;
}

/** What must be set of a device, or why that cannot be. */
export type PinChanges =
  | { readonly kind: 'changes'; readonly pins: Pins }
  | { readonly kind: 'refused'; readonly reason: string; readonly hint: Hint };

/** What is known of a device besides what it is like now. */
export interface PinCase {
  readonly device: PciDevice;
  readonly rule: Pick<DeviceWishes, 'reset' | 'power' | 'd3cold'>;
  /** This owner's earlier, unfinished claim. */
  readonly earlier?: ClaimedDevice | undefined;
  /** The claim of the detach that it comes from. */
  readonly detached?: Claim | undefined;
}

/**
 * Compares what is wished with what the device is like. What an earlier, unfinished run of the owner left set, and is not
 * wished any more, is wished to be as it was before. A device that is not there yet has whatever is wished.
 */
export function pinChanges(current: PinCase): PinChanges {
  const { device, rule, earlier } = current;
  const refused = device.expected === true ? undefined : pinRefusal(current);
  if (refused) return { kind: 'refused', ...refused };
  const before = earlier?.original;
  const resetMethods = rule.reset ?? (before && resetMethodsBack(before, device));
  const d3coldAllowed = rule.d3cold ?? before?.d3coldAllowed;
  return {
    kind: 'changes',
    pins: {
      ...(resetMethods && !isSame(resetMethods, methodsOf(device)) && { resetMethods }),
      ...(rule.power !== undefined && { powerControl: rule.power }),
      ...(d3coldAllowed !== undefined && d3coldAllowed !== device.d3coldAllowed && { d3coldAllowed }),
    },
  };
}

/** Why a device cannot be set as wished; undefined when it can. */
export function pinRefusal({
  device,
  rule,
  earlier,
  detached,
}: PinCase): { readonly reason: string; readonly hint: Hint } | undefined {
  const { address } = device;
  if (rule.reset && rule.reset.length > 0 && !device.resetMethods) {
    return {
      reason: `how ${address} is reset cannot be chosen: it has no reset_method`,
      hint: advice(
        'the kernel knows no way to reset the device alone, or is older than 5.15: take reset out of the rule',
      ),
    };
  }
  const shown = device.resetMethods ?? [];
  const came = detached?.devices.find((claimed) => claimed.address === address)?.original.resetMethods ?? [];
  const offered = [...new Set([...shown, ...came, ...(earlier?.original.resetMethods ?? [])])];
  const unknown = rule.reset?.find((method) => !offered.includes(method) && !isFoundLater(method));
  if (unknown !== undefined) {
    const them = offered.join(', ') || 'none';
    return {
      reason: `${address} cannot be reset by ${unknown}`,
      hint: advice(
        `it has ${them}; all that work now, where somebody has left some out: echo default > ${sysfs.attribute(address, 'reset_method')}`,
      ),
    };
  }
  const isWritten = rule.reset !== undefined && !isSame(rule.reset, device.resetMethods);
  if (isWritten && device.sharesBus && rule.reset.includes('bus')) {
    return {
      reason: `${address} cannot be reset by bus: it is not alone on its bus`,
      hint: advice(
        `the kernel shows bus for it only because it was found first; it can be reset by ${offered.filter((method) => method !== 'bus').join(', ') || 'nothing else'}`,
      ),
    };
  }
  if (rule.power !== undefined && device.powerControl === undefined) {
    return { reason: `${address} has no power/control`, hint: advice('take power out of the rule') };
  }
  if (rule.d3cold !== undefined && device.d3coldAllowed === undefined) {
    return {
      reason: `${address} has no d3cold_allowed`,
      hint: advice('this kernel was built without ACPI or power management: take d3cold out of the rule'),
    };
  }
  return undefined;
}

/**
 * What kernel modules bring along is in no list: that one is made when the device is found, before such a module is loaded.
 * The kernel tries the method when it is written (drivers/pci/pci.c:reset_method_store).
 */
function isFoundLater(method: string): boolean {
  return method === 'device_specific';
}

/**
 * The reset methods that a device had, as far as the kernel takes them again: once the list was written, `bus` is lost to
 * a device that is not alone on its bus, and did not work there. undefined where none were there, or are.
 */
export function resetMethodsBack(
  { resetMethods }: Pick<Original, 'resetMethods'>,
  device: PciDevice,
): readonly string[] | undefined {
  if (!resetMethods || !device.resetMethods || isSame(resetMethods, device.resetMethods)) return resetMethods;
  return device.sharesBus ? resetMethods.filter((method) => method !== 'bus') : resetMethods;
}

/** What is set before a device moves: whoever has it then finds it so. */
export function pinsBefore({ address }: PciDevice, { resetMethods, d3coldAllowed }: Pins): Step[] {
  return [
    ...(resetMethods
      ? [{ kind: 'set', attribute: 'reset-methods', key: address, to: resetMethods.join(' ') } as const]
      : []),
    ...(d3coldAllowed === undefined
      ? []
      : [{ kind: 'set', attribute: 'd3cold-allowed', key: address, to: d3coldAllowed ? '1' : '0' } as const]),
  ];
}

/** What is set once a device has moved: vfio-pci sets it as well when it binds (drivers/vfio/pci/vfio_pci_core.c). */
export function pinsAfter(
  { address, powerControl: now }: PciDevice,
  { powerControl }: Pins,
  moves: boolean,
): Step[] {
  if (powerControl === undefined || (!moves && powerControl === now)) return [];
  return [{ kind: 'set', attribute: 'power-control', key: address, to: powerControl }];
}

/** None where the kernel has no way to reset it; what is not there yet is not known. */
function methodsOf({ resetMethods, expected }: PciDevice): readonly string[] | undefined {
  return resetMethods ?? (expected === true ? undefined : []);
}

function isSame(some: readonly string[], others: readonly string[] | undefined): boolean {
  return some.join(' ') === others?.join(' ');
}
