import { ruleFor } from '../../config/rules.ts';
import type { GuestSystem } from '../../domain/guest-system.ts';
import type { Hint } from '../../hint.ts';
import { formatBarSize } from '../../pci/bar.ts';
import { isDisplay, isVga } from '../../pci/class.ts';
import { barOfCode43, CODE_43_SIZE, isRadeonOfCode43 } from '../../pci/code-43.ts';
import type { PciDevice } from '../../pci/device.ts';
import type { Check, GuestExamination } from '../examination.ts';
import { about, ok, warning, type Found } from '../finding.ts';
import { pasteConfig, pasteXml } from './snippets.ts';

const OTHER_SYSTEM = 'the XML says that the guest has another system than Windows, which it is a matter of';

/** NVIDIA's driver before 465 ends with code 43 when it sees that it runs in a guest. */
export const nvidiaCode43: Check<GuestExamination> = {
  title: 'Code 43 of NVIDIA',
  run: (on) => {
    const cards = displays(on, '10de').filter((device) => isVga(device.class));
    if (cards.length === 0) return ok('no NVIDIA graphics card with a screen is assigned');
    const { kvmHidden, system } = on.features;
    if (system.windows === 'no') return ok(OTHER_SYSTEM);
    const fixes = [
      ...(kvmHidden ? [] : [pasteXml(on, '<features>', "<kvm>\n  <hidden state='on'/>\n</kvm>")]),
      ...vendorId(on),
    ];
    if (fixes.length === 0) return ok('the guest does not show that it is one');
    const addresses = cards.map(({ address }) => address).join(', ');
    return warning(
      `${addresses}: drivers of NVIDIA for Windows before version 465, and those of some laptops, end with code 43 when they see a hypervisor; ${systemWords(system)}`,
      ...fixes,
    );
  },
};

/** What gives the hypervisor another name than its own, where it has none yet. */
function vendorId(on: GuestExamination): Hint[] {
  const { hyperv, hypervVendorId } = on.features;
  const line = "<vendor_id state='on' value='0123456789ab'/>";
  if ((hypervVendorId ?? '') !== '') return [];
  return [
    hyperv
      ? pasteXml(on, '<features><hyperv>', line)
      : pasteXml(on, '<features>', `<hyperv>\n  ${line}\n</hyperv>`),
  ];
}

function systemWords(system: GuestSystem): string {
  switch (system.windows) {
    case 'yes':
      return `the guest has Windows by ${system.from}`;
    case 'likely':
      return `the guest seems to have Windows by ${system.from}`;
    case 'no':
      return 'the guest has another system than Windows';
    case 'unknown':
      return 'the XML does not say whether the guest has Windows';
  }
}

/** Radeon cards whose driver in Windows is reported to end with code 43: a name of the hypervisor first, then BAR 2. */
export const amdCode43: Check<GuestExamination> = {
  title: 'Code 43 of AMD',
  run: (on) => {
    const cards = [...on.devices.values()].filter(isRadeonOfCode43);
    if (cards.length === 0) return ok('no Radeon card of RDNA 2 or 3 is assigned');
    const { system } = on.features;
    if (system.windows === 'no') return ok(OTHER_SYSTEM);
    if (system.windows === 'unknown') {
      return ok('nothing in the XML says that the guest has Windows, which it is a matter of');
    }
    const config = on.engine.loadConfig(on.domain);
    const name = vendorId(on);
    const findings = cards.flatMap((card): Found[] => {
      const bar = barOfCode43(card);
      const large = bar && !ruleFor(config, card).bars.has(bar.index) ? bar : undefined;
      const causes = [
        ...(name.length > 0 ? ['when it sees a hypervisor'] : []),
        ...(large
          ? [
              `while BAR 2 is larger than 8 MiB (it is ${formatBarSize(large.size)}, as firmware with Resizable BAR makes it)`,
            ]
          : []),
      ];
      if (causes.length === 0) return [];
      return [
        about(
          card.address,
          warning(
            `owners of Radeon cards of RDNA 2 and 3 report that the driver in Windows ends with code 43 ${causes.join(', and ')}; ${systemWords(system)}`,
            ...name,
            ...(large ? pasteConfig(on, card.address, { bars: new Map([[large.index, CODE_43_SIZE]]) }) : []),
          ),
        ),
      ];
    });
    return findings.length > 0
      ? findings
      : ok('the hypervisor has another name, and BAR 2 is small, or the configuration makes it so');
  },
};

/** The assigned graphics cards of a maker that this host has. */
export function displays({ devices }: GuestExamination, vendor: string): PciDevice[] {
  return [...devices.values()].filter((device) => device.vendor === vendor && isDisplay(device.class));
}
