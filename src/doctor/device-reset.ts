import { attempt } from '../attempt.ts';
import { ruleFor } from '../config/rules.ts';
import { pciHostdevs, type Domain } from '../domain/domain.ts';
import { advice, command } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { readDevice } from '../observe/read-device.ts';
import { slotFunctions } from '../observe/slot-functions.ts';
import type { PciAddress } from '../pci/address.ts';
import type { PciDevice } from '../pci/device.ts';
import { sysfs } from '../pci/sysfs.ts';
import { familyOfVendorReset, VENDOR_RESET } from '../pci/vendor-reset.ts';
import type { Check, Examination } from './examination.ts';
import { about, ok, warning, type Found } from './finding.ts';
import { assignedAddresses } from './guests.ts';
import { pasteConfig } from './lint/snippets.ts';

/** The reset method that the module vendor-reset answers for. */
const ITS_METHOD = 'device_specific';

/** Each assigned function can be reset, or a sibling's reset covers it; cards that need a module for that have it. */
export const deviceReset: Check = {
  title: 'reset of assigned devices',
  run: (on) => {
    const addresses = assignedAddresses(on);
    const findings = addresses.flatMap((address): Found[] => {
      const device = readDevice(on.host, address, new Map());
      const found = device && judge(on, device);
      return found ? [about(address, found)] : [];
    });
    if (findings.length > 0) return findings;
    return ok(addresses.length === 0 ? 'there are none' : 'all of them can be reset');
  },
};

function judge(on: Examination, device: PciDevice): Found | undefined {
  const family = familyOfVendorReset(device);
  if (family !== undefined) return judgeRadeon(on, device, family);
  if (slotFunctions(on.host, device.address).some((each) => hasMethods(on.host, each))) return undefined;
  return warning(
    'the kernel knows no way to reset it: a second start of the guest may fail until the host is restarted',
    advice('see whether a newer firmware or kernel offers one'),
  );
}

/**
 * Since Linux 5.15 the kernel tries the methods of `reset_method` only, in which a module that is loaded after the card was
 * found has no place by itself.
 */
function judgeRadeon(on: Examination, device: PciDevice, family: string): Found | undefined {
  const { address, resetMethods } = device;
  if (resetMethods?.[0] === ITS_METHOD) return undefined;
  const isLoaded = on.host.list(sysfs.module(VENDOR_RESET)) !== undefined;
  const unasking = resetMethods ? guestsOf(on, address).filter((guest) => !asks(on, guest, device)) : [];
  if (isLoaded && unasking.length === 0) return undefined;
  const [first] = unasking;
  const rule = first
    ? pasteConfig({ domain: first, engine: on.engine }, address, { reset: [ITS_METHOD] })
    : [];
  if (isLoaded) {
    return warning(
      `the module vendor-reset is loaded, and is not asked: this card (${family}) ${methodsOf(device)}`,
      ...rule,
    );
  }
  return warning(
    `this AMD card (${family}) often does not come back after a guest: its reset by the bus does not work`,
    command('modprobe vendor-reset'),
    ...rule,
    advice('the module vendor-reset is not part of Linux: it has to be installed first'),
  );
}

function methodsOf({ resetMethods = [] }: PciDevice): string {
  return resetMethods.length === 0 ? 'is not reset at all' : `has ${resetMethods.join(' ')} in reset_method`;
}

function guestsOf({ guests }: Examination, device: PciAddress): readonly Domain[] {
  return guests().flatMap(({ xml }) =>
    xml && pciHostdevs(xml.domain).some(({ address }) => address === device) ? [xml.domain] : [],
  );
}

/** Whether the configuration of a guest asks for the module's method; one that is broken is said by the check of that. */
function asks({ engine }: Examination, guest: Domain, device: PciDevice): boolean {
  const config = attempt(() => engine.loadConfig(guest));
  return config !== undefined && ruleFor(config, device).reset?.[0] === ITS_METHOD;
}

function hasMethods(host: Host, address: PciAddress): boolean {
  return (host.read(sysfs.attribute(address, 'reset_method')) ?? '').trim() !== '';
}
