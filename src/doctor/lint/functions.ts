import { networkLink, isLinkUp } from '../../observe/network-link.ts';
import { placesOn } from '../../engine/plan-start.ts';
import { pciHostdevs } from '../../domain/domain.ts';
import { advice, command } from '../../hint.ts';
import type { PciAddress } from '../../pci/address.ts';
import { promisedBy, wishesOf } from '../../resource/wishes.ts';
import { assignedFunctions } from '../../resource/sriov/card-wishes.ts';
import type { Check, GuestExamination } from '../examination.ts';
import { about, failure, ok, warning, type Found } from '../finding.ts';

/** Virtual functions that the guest is assigned fit their cards, and what is configured of them can be done. */
export const functions: Check<GuestExamination> = {
  title: 'virtual functions',
  run: (on) => {
    const assigned = new Set(pciHostdevs(on.domain).map(({ address }) => address));
    const own = [...on.devices.values()].filter(({ physicalFunction }) => physicalFunction !== undefined);
    const findings = [
      ...own.flatMap(({ address, physicalFunction: card }): Found[] => {
        if (card === undefined) return [];
        return assigned.has(card) ? [about(address, withItsCard(card))] : [];
      }),
      ...downCards(on),
      ...ignoredSettings(on),
    ];
    if (findings.length > 0) return findings;
    const expected = expectedFunctions(on);
    const number = own.length + expected.length;
    return ok(number === 0 ? 'the XML assigns none' : 'each is of a card that stays with the host');
  },
};

function withItsCard(card: PciAddress): Found {
  return failure(
    `its card ${card} is assigned as well: a card that leaves its driver takes all of its functions along`,
    advice('assign the card or its functions, not both'),
  );
}

/** Functions that the guest is assigned and that its start makes. */
export function expectedFunctions({
  domain,
  engine,
  host,
  devices,
}: GuestExamination): readonly PciAddress[] {
  const config = engine.loadConfig(domain);
  const places = placesOn(host, config);
  const wishes = wishesOf(config, domain, places);
  const promised = promisedBy(wishes, places.routingOf);
  return pciHostdevs(domain)
    .map(({ address }) => address)
    .filter((address) => promised.includes(address) && !devices.has(address));
}

/** libvirt: "Unable to configure VF … of PF … because the PF is not online" (src/util/virnetdev.c:virNetDevSetNetConfig). */
function downCards({ domain, devices, host }: GuestExamination): Found[] {
  const interfaces = pciHostdevs(domain).filter(({ kind }) => kind === 'interface' || kind === 'network');
  return interfaces.flatMap(({ address }): Found[] => {
    const card = devices.get(address)?.physicalFunction;
    const link = card && networkLink(host, card);
    if (card === undefined || link === undefined || isLinkUp(host, card, link)) return [];
    return [
      about(
        address,
        failure(
          `the interface ${link} of its card ${card} is down: libvirt does not start a guest with an <interface type='hostdev'> of it`,
          command(`ip link set dev ${link} up`),
        ),
      ),
    ];
  });
}

/** Of an <interface> libvirt sets address and VLAN, by the XML. */
function ignoredSettings({ domain, engine, host }: GuestExamination): Found[] {
  const config = engine.loadConfig(domain);
  const places = placesOn(host, config);
  return config.sriov.flatMap((card) =>
    assignedFunctions(card.pf, pciHostdevs(domain), places).flatMap(({ vf, hostdev }): Found[] => {
      const rule = card.functions?.find((each) => each.vf === vf);
      const names = [
        ...(rule?.mac === undefined ? [] : ['mac']),
        ...(rule?.vlan === undefined ? [] : ['vlan']),
      ];
      if (hostdev.kind !== 'interface' || names.length === 0) return [];
      return [
        about(
          hostdev.address,
          warning(
            `${names.join(' and ')} of the configuration have no effect: it is an <interface>, of which libvirt sets them`,
            advice('write them into the XML: <mac address=…/> and <vlan><tag id=…/></vlan>'),
          ),
        ),
      ];
    }),
  );
}
