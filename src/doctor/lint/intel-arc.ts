import { ruleFor } from '../../config/rules.ts';
import { formatBarSize } from '../../pci/bar.ts';
import { intelMemoryBar } from '../../pci/intel-arc.ts';
import type { Check, GuestExamination } from '../examination.ts';
import { about, ok, warning, type Found } from '../finding.ts';
import { advice } from '../../hint.ts';
import { displays } from './code-43.ts';
import { pasteConfig } from './snippets.ts';

/**
 * Intel's own cards have their memory behind BAR 2, and their drivers want all of it there. QEMU shows the size that the BAR
 * has as it starts, and no other (hw/vfio/pci.c:vfio_setup_rebar_ecap), so what a host has made small stays small in the guest.
 */
export const intelBars: Check<GuestExamination> = {
  title: 'BAR 2 of Intel Arc',
  run: (on) => {
    const cards = displays(on, '8086').flatMap((card) => {
      const bar = intelMemoryBar(card);
      return bar ? [{ card, bar }] : [];
    });
    if (cards.length === 0) return ok('no Intel card with memory of its own is assigned');
    const config = on.engine.loadConfig(on.domain);
    const findings = cards.flatMap(({ card, bar }): Found[] => {
      const wished = ruleFor(config, card).bars.get(bar.index);
      const size = wished ?? bar.size;
      if (size >= bar.largest) return [];
      const is = `its memory is behind BAR 2, which ${wished === undefined ? 'is' : 'the configuration makes'} ${formatBarSize(size)} of ${formatBarSize(bar.largest)}`;
      return [
        about(
          card.address,
          warning(
            `${is}: the guest can make it no larger, its driver is slow that way, and an Arc B580 was reported to end with code 43 in Windows`,
            advice('turn on "Resizable BAR" and "Above 4G decoding" in the firmware setup of the host'),
            ...pasteConfig(on, card.address, { bars: new Map([[bar.index, bar.largest]]) }),
          ),
        ),
      ];
    });
    return findings.length > 0 ? findings : ok('all of the memory is behind BAR 2');
  },
};
