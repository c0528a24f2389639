import { formatBarSize } from '../../pci/bar.ts';
import type { Bar } from '../../pci/bar.ts';
import type { Check, GuestExamination } from '../examination.ts';
import { failure, ok, warning } from '../finding.ts';
import { advice } from '../../hint.ts';
import { pasteXml } from './snippets.ts';

const GIB = 2 ** 30;
/** Flags of a `resource` line (include/linux/ioport.h). */
const IORESOURCE_MEM = 0x200;
const IORESOURCE_MEM_64 = 0x100000;

/**
 * What a q35 guest has for 32-bit BARs at the least: OVMF puts the configuration space of PCI Express at
 * 0xe0000000, and RAM ends at 0xc0000000 at the latest. Other machines have up to 1 GiB.
 */
const WINDOW_32 = 512 * 2 ** 20;
const LARGEST_WINDOW_32 = GIB;
/** OVMF's 64-bit window when it is told nothing (OvmfPkg/PlatformPei: PcdPciMmio64Size). */
const WINDOW_64 = 32 * GIB;

/** The 32-bit BARs of all devices fit below 4 GiB of the guest. */
export const mmio32: Check<GuestExamination> = {
  title: '32-bit BARs',
  run: (on) => {
    const sum = total(on, (bar) => !is64(bar));
    const shown = `${Math.ceil(sum / 2 ** 20)} MiB`;
    if (sum <= WINDOW_32) return ok(`they take ${shown} of about 512 MiB`);
    const fix = advice('assign fewer devices with large 32-bit BARs to one guest');
    return sum > LARGEST_WINDOW_32
      ? failure(
          `they take ${shown}, and no guest has more than 1024 MiB for them: devices will be without memory`,
          fix,
        )
      : warning(`they take ${shown}, and a q35 guest with OVMF has about 512 MiB for them`, fix);
  },
};

/** The 64-bit BARs of all devices fit into the window that OVMF makes for them. */
export const mmio64: Check<GuestExamination> = {
  title: '64-bit BARs',
  run: (on) => {
    const sum = total(on, is64);
    if (sum < WINDOW_64) return ok(`they take ${formatGib(sum)}, less than the 32 GiB of OVMF`);
    const told = on.features.qemuArguments.some((text) => text.includes('X-PciMmio64Mb'));
    if (told || on.features.physicalAddressBits)
      return ok(`they take ${formatGib(sum)}; the XML makes room for them`);
    const size = 2 ** Math.ceil(Math.log2(sum * 2));
    return warning(
      `they take ${formatGib(sum)}: OVMF of before 2022 makes 32 GiB, later ones as much as the guest's address width allows`,
      pasteXml(on, '<cpu>', "<maxphysaddr mode='passthrough'/>"),
      pasteXml(
        on,
        "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>, at its end",
        [
          '<qemu:commandline>',
          "  <qemu:arg value='-fw_cfg'/>",
          `  <qemu:arg value='opt/ovmf/X-PciMmio64Mb,string=${size / 2 ** 20}'/>`,
          '</qemu:commandline>',
        ].join('\n'),
      ),
    );
  },
};

function is64(bar: Bar): boolean {
  return (bar.flags & IORESOURCE_MEM_64) !== 0;
}

function total({ devices }: GuestExamination, wanted: (bar: Bar) => boolean): number {
  return [...devices.values()]
    .flatMap(({ bars }) => bars)
    .filter((bar) => (bar.flags & IORESOURCE_MEM) !== 0 && wanted(bar))
    .reduce((sum, { size }) => sum + size, 0);
}

function formatGib(bytes: number): string {
  return bytes >= GIB ? `${Math.ceil(bytes / GIB)} GiB` : formatBarSize(bytes);
}

/** What QEMU locks besides the guest's memory: libvirt itself allows for 1 GiB (qemu_domain.c:qemuDomainGetMemLockLimitBytes). */
const BESIDES = GIB;

/** A limit on memory leaves room for VFIO, which locks all of the guest's. */
export const memoryLock: Check<GuestExamination> = {
  title: 'locked memory',
  run: (on) => {
    const { hardLimit, memory, locked } = on.features;
    const { hostdevs } = on.domain;
    if (hostdevs.length === 0) return ok('no device asks for it');
    const needed = memory + BESIDES;
    const snippet = pasteXml(
      on,
      '<domain>',
      `<memtune>\n  <hard_limit unit='KiB'>${Math.ceil(needed / 1024)}</hard_limit>\n</memtune>`,
    );
    if (hardLimit !== undefined && hardLimit < needed) {
      const shown = `<hard_limit> is ${Math.floor(hardLimit / 2 ** 20)} MiB, and VFIO locks all ${Math.floor(memory / 2 ** 20)} MiB of the guest and up to 1 GiB besides`;
      return hardLimit < memory
        ? failure(`${shown}: the guest does not start`, snippet)
        : warning(`${shown}: the guest may be killed`, snippet);
    }
    const unknownToLibvirt = hostdevs.some(({ kind }) => kind === 'commandline');
    const known = hostdevs.some(({ kind }) => kind !== 'commandline');
    if (unknownToLibvirt && !known && hardLimit === undefined && !locked) {
      return warning(
        'the devices are known to QEMU only, so libvirt does not raise the limit of locked memory for them: QEMU fails with ENOMEM',
        snippet,
      );
    }
    return ok(hardLimit === undefined ? 'libvirt sets the limit by itself' : '<hard_limit> leaves room');
  },
};
