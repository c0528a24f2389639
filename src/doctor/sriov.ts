import { inspectFunctions, type InspectedCard } from '../engine/inspect-functions.ts';
import { advice, command } from '../hint.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Check } from './examination.ts';
import { about, failure, ok, warning, type Found } from './finding.ts';

/** Cards whose virtual functions guests have, or are promised, can make them and keep what is set of them. */
export const virtualFunctions: Check = {
  title: 'cards with virtual functions (SR-IOV)',
  run: async ({ engine }) => {
    const { cards } = await inspectFunctions(engine);
    if (cards.length === 0) return ok('there are none');
    const findings = cards.flatMap((card) => judge(card).map((found) => about(card.address, found)));
    return findings.length > 0 ? findings : ok(cards.map(({ address }) => address).join(', '));
  },
};

function judge({ address, rule, makesNone, link, count, functions }: InspectedCard): Found[] {
  const isConfigured = rule !== undefined;
  const isMaking = rule?.vfs !== undefined && count === 0;
  const sets = (rule?.functions ?? []).some((each) => each.vlan !== undefined || each.mac !== undefined);
  return [
    ...(isMaking && makesNone
      ? [
          failure(
            `config.yaml wants ${rule.vfs ?? 0} virtual functions of it, and ${makesNone.reason}`,
            ...makesNone.hints,
          ),
        ]
      : []),
    ...(isConfigured && link?.isUp === false
      ? [
          warning(
            `its interface ${link.name} is down: libvirt refuses guests with an <interface type='hostdev'> of it, and functions have no link`,
            command(`ip link set dev ${link.name} up`),
          ),
        ]
      : []),
    ...(sets && link?.isSwitchdev === true
      ? [
          warning(
            'it is in switchdev mode: what its functions may send is for the host’s bridge and tc to say, and mac and vlan of config.yaml may be refused',
            advice(`see the mode: devlink dev eswitch show pci/${address}`),
          ),
        ]
      : []),
    ...(functions.some(({ sharesGroup }) => sharesGroup)
      ? [
          warning(
            'its virtual functions share an IOMMU group: one guest at a time can have any of them',
            command(`ls ${sysfs.groups}/*/devices`),
            advice('another slot may have access control (ACS)'),
          ),
        ]
      : []),
  ];
}
