import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';

import { poolFacts, pools, repairPools } from './hugepages.ts';
import { attribute, bindTo, driverOf, giveBack, pciDevices, read, tryWrite, unbind } from './sysfs.ts';

/** What must be the same before and after each case, by address and name of the fact. */
export type Snapshot = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Where the product keeps its claims: one that is left behind is a difference, too. */
const claims = '/run/vfio-hook/claims';

/** Mediated devices, whose parents are no PCI devices. */
const mdevs = '/sys/bus/mdev/devices';

/** Of every PCI device; what must be first is first when they are put back. */
const attributes = [
  'driver_override',
  'sriov_numvfs',
  'sriov_drivers_autoprobe',
  'power/control',
  'reset_method',
  'nvidia/current_vgpu_type',
];

/** Reads the facts of every PCI device and of the huge pages; a fact that does not exist is the text `none`. */
export function takeSnapshot(): Snapshot {
  return new Map([
    ...[claims, mdevs].map((directory): readonly [string, ReadonlyMap<string, string>] => [
      directory,
      new Map([['entries', entries(directory).join(' ')]]),
    ]),
    [pools, poolFacts()],
    ...pciDevices().map((device): readonly [string, ReadonlyMap<string, string>] => {
      // Most devices have few of them, and a failed read takes ten times as long as a directory.
      const present = new Set(entries(attribute(device, '')));
      const has = (name: string): boolean => present.has(name.split('/', 1)[0] ?? '');
      const facts = new Map([['driver', (has('driver') ? driverOf(device) : undefined) ?? 'none']]);
      for (const name of attributes) {
        facts.set(name, (has(name) ? read(attribute(device, name)) : undefined) ?? 'none');
      }
      barSizes(device).forEach((size, bar) => facts.set(`size of BAR ${bar}`, String(size)));
      return [device, facts];
    }),
  ]);
}

function entries(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Sizes of the BARs 0 to 5 in bytes; 0 where there is none. */
export function barSizes(device: string): readonly number[] {
  const lines = read(attribute(device, 'resource'))?.split('\n').slice(0, 6) ?? [];
  return lines.map((line) => {
    const [start = '0', end = '0'] = line.split(' ');
    return BigInt(end) === 0n ? 0 : Number(BigInt(end) - BigInt(start) + 1n);
  });
}

/** What differs, one line each: `0000:01:00.0 driver: "bochs-drm" before, "vfio-pci" after`. */
export function differences(before: Snapshot, after: Snapshot): readonly string[] {
  const addresses = [...new Set([...before.keys(), ...after.keys()])].sort();
  return addresses.flatMap((address) => {
    const [old, now] = [before.get(address), after.get(address)];
    if (!old) return [`${address} is new`];
    if (!now) return [`${address} is gone`];
    return [...old].flatMap(([name, text]) => {
      const present = now.get(name);
      return present === text ? [] : [`${address} ${name}: "${text}" before, "${present ?? 'none'}" after`];
    });
  });
}

/**
 * Puts back what a failed case left behind, as well as plain writes can, so that the next case does not fail for
 * it. @returns what still differs
 */
export function repair(before: Snapshot): readonly string[] {
  for (const name of entries(claims)) rmSync(path.join(claims, name));
  const present = before.get(mdevs)?.get('entries')?.split(' ');
  for (const uuid of entries(mdevs))
    if (present?.includes(uuid) !== true) tryWrite(path.join(mdevs, uuid, 'remove'), '1');
  repairPools(before.get(pools));
  const after = takeSnapshot();
  if (differences(before, after).length === 0) return [];
  for (const [device, facts] of before) {
    const now = after.get(device);
    if ([claims, mdevs, pools].includes(device) || !now) continue;
    if ([...facts].every(([name, text]) => now.get(name) === text)) continue;
    const override = facts.get('driver_override') ?? '(null)';
    unbind(device);
    for (const [name, text] of facts) {
      const bar = /^size of BAR (\d)$/.exec(name)?.[1];
      if (bar !== undefined && now.get(name) !== text) {
        tryWrite(attribute(device, `resource${bar}_resize`), String(Math.log2(Number(text)) - 20));
      }
    }
    if (facts.get('driver') === 'none') tryWrite(attribute(device, 'driver_override'), '');
    else if (override === '(null)') giveBack(device);
    else bindTo(device, override);
    for (const name of attributes.slice(1)) {
      const text = facts.get(name);
      if (text !== undefined && text !== 'none') tryWrite(attribute(device, name), text);
    }
  }
  return differences(before, takeSnapshot());
}
