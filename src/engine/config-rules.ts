import type { DeviceRule } from '../config/config.ts';
import { formatDeviceMatch, matchesDevice } from '../config/match.ts';
import { askedDrivers } from '../config/rules.ts';
import { advice } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { knownDrivers } from '../observe/known-drivers.ts';
import { readDevice } from '../observe/read-device.ts';
import { parsePciAddress } from '../pci/address.ts';
import type { PciDevice } from '../pci/device.ts';
import type { KnownDriver } from '../pci/known-driver.ts';
import { sysfs } from '../pci/sysfs.ts';
import { barChanges } from '../plan/bars.ts';
import { barsBetween, betweenRefusal } from '../plan/between.ts';
import { driverNote, driverRefusal } from '../plan/driver.ts';
import { pinRefusal } from '../plan/pins.ts';
import type { Remark } from './inspect-config.ts';

/** A remark about a rule: its index, and the key of it that is meant. */
export interface RuleRemark extends Remark {
  readonly rule: number;
  readonly key: 'match' | 'driver';
}

/** What there is to say about rules on this host. */
export function ruleRemarks(rules: readonly DeviceRule[], host: Host): RuleRemark[] {
  if (rules.length === 0) return [];
  const devices = devicesOf(host);
  const known = knownDrivers(host, askedDrivers({ devices: rules }));
  return rules.flatMap(({ match, bars, driver, between = [], ...pins }, rule): RuleRemark[] => {
    const about = { rule, key: 'match' } as const;
    const matched = devices.filter((device) => matchesDevice(match, device));
    if (matched.length === 0) {
      const text = `no device of this host matches ${formatDeviceMatch(match)}: the rule has no effect`;
      return [{ ...about, severity: 'warning', text, hints: [advice('compare with: lspci -nn')] }];
    }
    const wished = [...[...bars].map(([bar, size]) => ({ bar, size })), ...barsBetween(between)];
    const sizes = matched.flatMap((device): RuleRemark[] => {
      const changes = barChanges(device, wished);
      if (changes.kind === 'changes') return [];
      const text = `${changes.reason}: a guest with it cannot start`;
      return [{ ...about, severity: 'warning', text, hints: [changes.hint] }];
    });
    const settings = matched.flatMap((device): RuleRemark[] => {
      const pinned = pinRefusal({ device, rule: pins });
      const refused = between.flatMap((entry) => {
        const refusal = betweenRefusal(device, pins, entry);
        return refusal ? [{ reason: refusal[0], hint: refusal[1] }] : [];
      });
      return [...(pinned ? [pinned] : []), ...refused].map(({ reason, hint }) => {
        const text = `${reason}: a guest with it cannot start`;
        return { ...about, severity: 'warning', text, hints: [hint] };
      });
    });
    const asked = known.find(({ name }) => name === driver);
    return [...sizes, ...settings, ...(asked ? driverRemarks(asked, rule) : [])];
  });
}

/** As a start judges it for a device that shares a group, and what it means for one that is assigned. */
function driverRemarks(asked: KnownDriver, rule: number): RuleRemark[] {
  const about = { rule, key: 'driver' } as const;
  const refusal = driverRefusal(asked, { for: 'guest', assigned: false });
  if (refusal) return [{ ...about, severity: 'problem', text: refusal.reason, hints: [] }];
  const note = driverNote(asked);
  return note === undefined ? [] : [{ ...about, severity: 'warning', text: note, hints: [] }];
}

/** Without what would need a device's lock: rules look at ids, classes and BARs. */
function devicesOf(host: Host): PciDevice[] {
  return (host.list(sysfs.devices) ?? []).flatMap((name) => {
    const address = parsePciAddress(name);
    return (address && readDevice(host, address, new Map())) ?? [];
  });
}
