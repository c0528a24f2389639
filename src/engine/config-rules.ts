import type { DeviceRule } from '../config/config.ts';
import { formatDeviceMatch, matchesDevice } from '../config/match.ts';
import { advice } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { readDevice } from '../host/read-device.ts';
import { parsePciAddress } from '../pci/address.ts';
import type { PciDevice } from '../pci/device.ts';
import { sysfs } from '../pci/sysfs.ts';
import { barChanges } from '../plan/bars.ts';
import type { Remark } from './inspect-config.ts';

/** What there is to say about rules on this host, each with the index of the rule. */
export function ruleRemarks(
  rules: readonly DeviceRule[],
  host: Host,
): (Remark & { readonly rule: number })[] {
  if (rules.length === 0) return [];
  const devices = devicesOf(host);
  return rules.flatMap(({ match, bars }, rule) => {
    const matched = devices.filter((device) => matchesDevice(match, device));
    if (matched.length === 0) {
      const text = `no device of this host matches ${formatDeviceMatch(match)}: the rule has no effect`;
      return [{ severity: 'warning' as const, rule, text, hints: [advice('compare with: lspci -nn')] }];
    }
    const wished = [...bars].map(([bar, size]) => ({ bar, size }));
    return matched.flatMap((device) => {
      const changes = barChanges(device, wished);
      if (changes.kind === 'changes') return [];
      const text = `${changes.reason}: a guest with it cannot start`;
      return [{ severity: 'warning' as const, rule, text, hints: [changes.hint] }];
    });
  });
}

/** Without what would need a device's lock: rules look at ids, classes and BARs. */
function devicesOf(host: Host): PciDevice[] {
  return (host.list(sysfs.devices) ?? []).flatMap((name) => {
    const address = parsePciAddress(name);
    return (address && readDevice(host, address, new Map())) ?? [];
  });
}
