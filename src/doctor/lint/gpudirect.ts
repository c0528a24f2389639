import { count } from '../../count.ts';
import type { Host } from '../../host/host.ts';
import { installedLibvirt } from '../../observe/take-snapshot.ts';
import type { PciAddress } from '../../pci/address.ts';
import { knowsCliques, MOST_CLIQUES, pciPath, switchNeighbours } from '../../pci/cliques.ts';
import { libvirtFacts } from '../../pci/libvirt-facts.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { Check, GuestExamination } from '../examination.ts';
import { ok, unknown, warning } from '../finding.ts';
import type { Hint } from '../../hint.ts';
import { displays } from './code-43.ts';
import { pasteXml } from './snippets.ts';

/** QEMU's property (hw/vfio/pci-quirks.c). */
const PROPERTY = 'x-nv-gpudirect-clique';

/** NVIDIA cards that can talk to each other directly are said so to the guest, which cannot see the host's switches. */
export const gpuDirect: Check<GuestExamination> = {
  title: 'GPUDirect between NVIDIA cards',
  run: (on) => {
    const all = displays(on, '10de');
    if (all.length < 2) return ok('fewer than two NVIDIA cards are assigned');
    const cards = all.filter(knowsCliques).map(({ address }) => address);
    if (cards.length < 2) return ok(`cards older than Turing know no ${PROPERTY}`);
    const { qemuArguments, overriddenProperties } = on.features;
    if (overriddenProperties.includes(PROPERTY) || qemuArguments.some((text) => text.includes(PROPERTY))) {
      return ok(`the XML sets ${PROPERTY} already`);
    }
    const cliques = cliquesOf(on.host, cards);
    if (cliques.length === 0) {
      return ok('no two of them are behind one PCIe switch: nothing is gained by cliques');
    }
    if (cliques.length > MOST_CLIQUES) {
      return unknown(
        `they are behind ${count(cliques.length, 'switch', 'switches')}, and there are ${MOST_CLIQUES} cliques`,
      );
    }
    const words = cliques.map((clique) => clique.join(' and ')).join('; ');
    return warning(
      `cards behind one PCIe switch can talk to each other directly, which the guest does not know: ${words}`,
      snippet(on, cliques),
    );
  },
};

/** Cards by the PCIe switch that they share. */
export function cliquesOf(host: Host, cards: readonly PciAddress[]): readonly (readonly PciAddress[])[] {
  return switchNeighbours(cards.map((card) => pciPath(card, host.readLink(sysfs.device(card)) ?? '')));
}

function snippet(on: GuestExamination, cliques: readonly (readonly PciAddress[])[]): Hint {
  const settings = cliques.flatMap((clique, number) =>
    clique.flatMap((address) => {
      const alias = on.features.devices.find((device) => device.address === address)?.alias;
      // libvirt takes no other characters in an alias (src/conf/device_conf.c).
      return alias !== undefined && /^[\w-]+$/.test(alias) ? [{ alias, number }] : [];
    }),
  );
  if (!libvirtFacts(installedLibvirt(on.host)).overridesProperties) {
    const lines = settings.flatMap(({ alias, number }) => [
      "  <qemu:arg value='-set'/>",
      `  <qemu:arg value='device.${alias}.${PROPERTY}=${number}'/>`,
    ]);
    return pasteXml(on, PLACE, ['<qemu:commandline>', ...lines, '</qemu:commandline>'].join('\n'));
  }
  const lines = settings.flatMap(({ alias, number }) => [
    `  <qemu:device alias='${alias}'>`,
    '    <qemu:frontend>',
    `      <qemu:property name='${PROPERTY}' type='unsigned' value='${number}'/>`,
    '    </qemu:frontend>',
    '  </qemu:device>',
  ]);
  return pasteXml(on, PLACE, ['<qemu:override>', ...lines, '</qemu:override>'].join('\n'));
}

const PLACE = "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>, at its end";
