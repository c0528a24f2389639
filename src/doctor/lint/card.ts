import { slotOf } from '../../pci/address.ts';
import { isBridgeClass, isDisplay, isSystemClass } from '../../pci/class.ts';
import type { PciDevice } from '../../pci/device.ts';
import type { AssignedDevice } from '../../domain/features.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { Check, GuestExamination } from '../examination.ts';
import { about, failure, ok, unknown, warning, type Found } from '../finding.ts';
import { advice, command } from '../../hint.ts';
import { target, word } from '../files.ts';
import { expectedFunctions } from './functions.ts';
import { hex, hostdevXml, pasteXml } from './snippets.ts';

/** This host has what the XML assigns. */
export const devicesPresent: Check<GuestExamination> = {
  title: 'assigned devices',
  run: (on) => {
    const { domain, devices } = on;
    const wanted = domain.hostdevs.flatMap((hostdev) => (hostdev.kind === 'mdev' ? [] : [hostdev.address]));
    if (wanted.length === 0) return ok('the XML assigns no PCI device');
    const missing = wanted.filter((address) => !devices.has(address));
    const expected = missing.length === 0 ? [] : expectedFunctions(on);
    const absent = missing.filter((address) => !expected.includes(address));
    if (absent.length === 0) {
      const there = wanted.filter((address) => devices.has(address));
      return ok(
        [
          ...(there.length > 0 ? [`this host has ${there.join(', ')}`] : []),
          ...(expected.length > 0 ? [`${expected.join(', ')} will be made when the guest starts`] : []),
        ].join('; '),
      );
    }
    return unknown(
      `this host does not have ${absent.join(', ')}: the XML is judged without them`,
      command('lspci -D -nn'),
    );
  },
};

/** Every function of a card is assigned, for the guest's driver looks for them, and nothing is moved for nobody. */
export const companions: Check<GuestExamination> = {
  title: 'functions of the same card',
  run: (on) => {
    const findings = on.companions.flatMap((device): Found[] => {
      if (isBridgeClass(device.class) || isSystemClass(device.class)) return [];
      const sentence = reasonToAssign(on, device);
      if (sentence === undefined) return [];
      return [
        about(device.address, warning(sentence, pasteXml(on, '<devices>', hostdevXml(device.address)))),
      ];
    });
    return findings.length > 0 ? findings : ok('each card is assigned as a whole');
  },
};

/**
 * Only a card that is assigned itself has companions. A virtual function is a card of its own: what it shares a slot
 * or a group with is the card that stays with the host, and the parts of it that others have.
 */
function reasonToAssign({ devices }: GuestExamination, device: PciDevice): string | undefined {
  const assigned = [...devices.values()];
  const { iommuGroup, physicalFunction } = device;
  const own = assigned.filter((other) => other.physicalFunction === undefined);
  if (
    physicalFunction === undefined &&
    own.some((other) => isDisplay(other.class) && isOneCard(other, device))
  ) {
    return 'it belongs to an assigned graphics card, and is not assigned: the guest does not see it (no sound, or a driver that fails)';
  }
  const isOfVirtualOnes = assigned.some(
    (other) =>
      other.physicalFunction !== undefined &&
      (other.physicalFunction === device.address || other.physicalFunction === physicalFunction),
  );
  if (isOfVirtualOnes || iommuGroup === undefined) return undefined;
  if (!assigned.some((other) => other.iommuGroup === iommuGroup)) return undefined;
  return `it shares IOMMU group ${iommuGroup} with an assigned device: vfio-hook takes it from the host, and the guest does not see it`;
}

/** An APU has functions of another vendor beside its graphics, such as the host's own USB controllers. */
function isOneCard(card: PciDevice, device: PciDevice): boolean {
  return slotOf(card.address) === slotOf(device.address) && card.vendor === device.vendor;
}

/** The functions of one card are the functions of one slot in the guest. */
export const multifunction: Check<GuestExamination> = {
  title: 'multifunction addresses',
  run: (on) => {
    const cards = new Map<string, AssignedDevice[]>();
    for (const device of on.features.devices) {
      if (device.form !== 'hostdev') continue;
      const key = slotOf(device.address);
      cards.set(key, [...(cards.get(key) ?? []), device]);
    }
    const findings = [...cards].flatMap(([card, functions]): Found[] => {
      // Virtual functions share slots by chance: they are cards of their own.
      if (functions.some(({ address }) => on.devices.get(address)?.physicalFunction !== undefined)) return [];
      const [first] = functions;
      if (functions.length < 2 || !first || functions.some(({ seenAt }) => !seenAt)) return [];
      const isOneSlot = functions.every(({ seenAt }) => seenAt?.slot === first.seenAt?.slot);
      const zero = functions.find(({ seenAt }) => seenAt?.function === 0);
      const isOneCard = isOneSlot && zero?.seenAt?.multifunction === true;
      if (isOneCard) return [];
      const snippet = pasteXml(on, `the <hostdev> of each of them`, addressLines(functions));
      return [
        about(
          card,
          isOneSlot
            ? failure(
                "its functions are in one slot of the guest, and function 0 has no multifunction='on': QEMU refuses the others",
                snippet,
              )
            : warning(
                'its functions are in different slots of the guest, where drivers look for one card with several functions',
                snippet,
              ),
        ),
      ];
    });
    return findings.length > 0 ? findings : ok('as on the host, or chosen by libvirt');
  },
};

/** The first function's slot for all, each at its own number on the host. */
function addressLines(functions: readonly AssignedDevice[]): string {
  const [domain = 0, bus = 0, slot = 0] = (functions[0]?.seenAt?.slot ?? '')
    .split(':')
    .map((part) => parseInt(part, 16));
  const lowest = Math.min(...functions.map(({ address }) => Number(address.slice(-1))));
  return functions
    .map(({ address }) => {
      const fn = Number(address.slice(-1)) - lowest;
      const on = fn === 0 ? " multifunction='on'" : '';
      return `<address type='pci' domain='${hex(domain, 4)}' bus='${hex(bus, 2)}' slot='${hex(slot, 2)}' function='0x${fn}'${on}/> <!-- ${address} -->`;
    })
    .join('\n');
}

/** The card that firmware used has its ROM only in a file; a card without its ROM shows nothing before its driver. */
export const rom: Check<GuestExamination> = {
  title: 'ROM of graphics cards',
  run: (on) => {
    const findings = on.features.devices.flatMap((assigned): Found[] => {
      const { address } = assigned;
      const file = assigned.rom?.file;
      if (file !== undefined && !target(on.host, file)) {
        if (!on.hasFiles)
          return [
            about(
              address,
              unknown(
                `whether its ROM file ${word(file)} is there cannot be told: files of that machine cannot be seen from here`,
              ),
            ),
          ];
        return [
          about(
            address,
            failure(
              `its ROM file ${word(file)} is not there: QEMU refuses to start`,
              command(`ls -l ${word(file)}`),
            ),
          ),
        ];
      }
      const device = on.devices.get(address);
      if (!device || !isDisplay(device.class)) return [];
      if (device.bootVga === true && file === undefined) {
        return [
          about(
            address,
            warning(
              'firmware started the host on this card, so its ROM as read now is used up: many such cards show nothing in a guest without a ROM file',
              pasteXml(on, `the <hostdev> of ${address}`, "<rom file='/usr/share/vgabios/card.rom'/>"),
              command(
                `echo 1 > ${sysfs.attribute(address, 'rom')}; cat ${sysfs.attribute(address, 'rom')} > /usr/share/vgabios/card.rom; echo 0 > ${sysfs.attribute(address, 'rom')}`,
              ),
              advice(
                'read it while another card is the first one, or take the file that the maker of the card offers',
              ),
            ),
          ),
        ];
      }
      if (assigned.rom?.off === true && device.class.startsWith('0300')) {
        return [
          about(
            address,
            warning(
              'its ROM is off: the guest shows nothing on it before the driver is loaded, no firmware and no boot menu',
              pasteXml(on, `the <hostdev> of ${address}`, "<rom bar='on'/>"),
            ),
          ),
        ];
      }
      return [];
    });
    return findings.length > 0 ? findings : ok('nothing to say');
  },
};
