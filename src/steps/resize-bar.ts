import { advice } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { slotFunctions } from '../observe/slot-functions.ts';
import type { PciAddress } from '../pci/address.ts';
import { bitOfBarSize, formatBarSize, parseBars } from '../pci/bar.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { ResizeBar } from './step.ts';
import { outcomeOf, type StepDefinition, type StepOutcome } from './definition.ts';

/**
 * Changes the size of a resizable BAR (drivers/pci/pci-sysfs.c:__resource_resize_store, Linux 6.1 and
 * later): n is written for 2^n MiB while no driver holds the device.
 *
 * Kernels before the fix "PCI: Fix restoring BARs on BAR resize rollback path" (2026) may leave BARs without
 * an address when they cannot place the new size. So the BARs of every function of the card are compared
 * before and after: a lost one is a failure, whatever the write said.
 */
export const resizeBar: StepDefinition<ResizeBar> = {
  // The room below a bridge is one for all cards behind it, and is looked for while none of them has a driver.
  alone: true,
  describe: ({ device, bar, from, to }) =>
    `resize BAR ${bar} of ${device} from ${formatBarSize(from)} to ${formatBarSize(to)}`,
  command: ({ device, bar, to }) => `echo ${bitOfBarSize(to) ?? '?'} > ${sysfs.resize(device, bar)}`,
  already: ({ device, bar, to }, host) => Promise.resolve(barSizes(host, device).get(bar) === to),
  apply: async ({ device, bar, to }, host, deadlineMs): Promise<StepOutcome> => {
    const bit = bitOfBarSize(to);
    if (bit === undefined)
      return { kind: 'failed', reason: `${formatBarSize(to)} is no size that a BAR can have` };
    const path = sysfs.resize(device, bar);
    const before = cardBars(host, device);
    const result = outcomeOf(await host.write(path, String(bit), deadlineMs), path, {
      ENOSPC: 'the bridge above has no room for it: another device behind the same bridge may be in the way',
      EBUSY: 'a driver still holds the device',
      EINVAL: 'the device does not offer this size',
      ENOENT: 'the BAR cannot be resized, or no bridge window could be released',
      ENODEV: 'the device is gone from the bus',
      EPERM: 'the kernel forbids it: it may be locked down',
      ENOTSUPP: 'the firmware forbids moving the BARs',
    });
    if (result.kind === 'stuck') return result;
    const lost = lostBars(before, cardBars(host, device));
    if (lost.length === 0) return result;
    return {
      kind: 'failed',
      reason: `the kernel lost ${lost.join(' and ')} over it${result.kind === 'failed' ? ` (${result.reason})` : ''}`,
      hints: [
        advice(
          `bring the BARs back once nothing uses the card: echo 1 > ${sysfs.attribute(device, 'remove')}; echo 1 > /sys/bus/pci/rescan`,
        ),
      ],
    };
  },
  verify: ({ device, bar, to }, host) => {
    const size = barSizes(host, device).get(bar);
    return Promise.resolve(
      size === to ? undefined : `it is ${size === undefined ? 'gone' : formatBarSize(size)} afterwards`,
    );
  },
};

function barSizes(host: Host, device: PciAddress): Map<number, number> {
  const resource = host.read(sysfs.attribute(device, 'resource')) ?? '';
  return new Map(parseBars(resource, new Map()).map(({ index, size }) => [index, size]));
}

/** The BARs of all functions in the device's slot: `0000:03:00.1 BAR 0` to bytes. */
function cardBars(host: Host, device: PciAddress): Map<string, number> {
  return new Map(
    slotFunctions(host, device).flatMap((address) =>
      [...barSizes(host, address)].map(([index, size]): [string, number] => [
        `BAR ${index} of ${address}`,
        size,
      ]),
    ),
  );
}

function lostBars(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string[] {
  return [...before].filter(([name, size]) => size > 0 && (after.get(name) ?? 0) === 0).map(([name]) => name);
}
