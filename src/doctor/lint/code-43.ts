import { ruleFor } from '../../config/rules.ts';
import { formatBarSize } from '../../pci/bar.ts';
import { isDisplay, isVga } from '../../pci/class.ts';
import type { PciDevice } from '../../pci/device.ts';
import type { Check, GuestExamination } from '../examination.ts';
import { about, ok, warning, type Found } from '../finding.ts';
import { pasteConfig, pasteXml } from './snippets.ts';

/** NVIDIA's driver before 465 ends with code 43 when it sees that it runs in a guest. */
export const nvidiaCode43: Check<GuestExamination> = {
  title: 'Code 43 of NVIDIA',
  run: (on) => {
    const cards = displays(on, '10de').filter((device) => isVga(device.class));
    if (cards.length === 0) return ok('no NVIDIA graphics card with a screen is assigned');
    const { hyperv, hypervVendorId, kvmHidden } = on.features;
    const fixes = [
      ...(kvmHidden ? [] : [pasteXml(on, '<features>', "<kvm>\n  <hidden state='on'/>\n</kvm>")]),
      ...(!hyperv || (hypervVendorId ?? '') !== ''
        ? []
        : [pasteXml(on, '<features><hyperv>', "<vendor_id state='on' value='0123456789ab'/>")]),
    ];
    if (fixes.length === 0) return ok('the guest does not show that it is one');
    return warning(
      `${cards.map(({ address }) => address).join(', ')}: drivers of NVIDIA before version 465, and those of some laptops, end with code 43 when they see a hypervisor`,
      ...fixes,
    );
  },
};

/** Navi 31, 32 and 33: RDNA 3 (drivers/gpu/drm/amd/amdgpu/amdgpu_drv.c, by their ids). */
const RDNA_3 = /^7(?:4[4-9][0-9a-f])$/;
const BAR = 2;
const SMALL = 8 * 2 ** 20;

/** Radeon cards of RDNA 3 whose driver in Windows is reported to end with code 43 while BAR 2 is large. */
export const amdCode43: Check<GuestExamination> = {
  title: 'Code 43 of AMD',
  run: (on) => {
    const cards = [...on.devices.values()].filter(
      ({ vendor, device, class: code }) => vendor === '1002' && RDNA_3.test(device) && isDisplay(code),
    );
    if (cards.length === 0) return ok('no RDNA 3 card is assigned');
    if (!on.features.hyperv) return ok('the guest does not look like Windows, which it is a matter of');
    const config = on.engine.loadConfig(on.domain);
    const findings = cards.flatMap((card): Found[] => {
      if (ruleFor(config, card).bars.has(BAR)) return [];
      const bar = card.bars.find(({ index }) => index === BAR);
      if (!bar?.sizes?.includes(SMALL) || bar.size <= SMALL) return [];
      return [
        about(
          card.address,
          warning(
            `its BAR 2 is ${formatBarSize(bar.size)}; owners of such cards report that the driver in Windows ends with code 43 unless it is 8 MiB`,
            pasteConfig(on, `devices:\n  - match: "${card.address}"\n    bars:\n      2: 8MiB`),
          ),
        ),
      ];
    });
    return findings.length > 0 ? findings : ok('BAR 2 is small, or the configuration makes it so');
  },
};

/** The assigned graphics cards of a maker that this host has. */
export function displays({ devices }: GuestExamination, vendor: string): PciDevice[] {
  return [...devices.values()].filter((device) => device.vendor === vendor && isDisplay(device.class));
}
