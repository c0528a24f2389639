import type { Host } from '../host/host.ts';
import { sysfs } from '../pci/sysfs.ts';
import { addKernelArgument, kernelArgument, kernelArguments, removeKernelArgument } from './boot.ts';
import type { Check, Examination } from './examination.ts';
import { failure, ok, unknown, warning, type Found } from './finding.ts';
import { advice, command } from '../hint.ts';
import { places } from './places.ts';

interface Kind {
  readonly name: string;
  /** What firmware calls the switch. */
  readonly firmware: string;
}
const INTEL: Kind = { name: 'Intel VT-d', firmware: 'VT-d' };
const AMD: Kind = { name: 'AMD-Vi', firmware: 'IOMMU, AMD-Vi or SVM' };
const OTHER: Kind = { name: 'IOMMU', firmware: 'IOMMU or SMMU' };

/** The IOMMU of this board, by the processor's maker. */
function kindOf(host: Host): Kind {
  const cpu = host.read(places.cpuInfo) ?? '';
  if (cpu.includes('GenuineIntel')) return INTEL;
  if (/AuthenticAMD|HygonGenuine/.test(cpu)) return AMD;
  const tables = host.list(places.acpiTables) ?? [];
  if (tables.includes('DMAR')) return INTEL;
  return tables.includes('IVRS') ? AMD : OTHER;
}

/** IOMMU groups are there: without them no device can be given to a guest. */
export const iommu: Check = {
  title: 'IOMMU',
  run: ({ host }) => {
    const groups = host.list(sysfs.groups) ?? [];
    const kind = kindOf(host);
    if (groups.length > 0) return ok(`${kind.name} is on: ${groups.length} groups`);
    const off = kernelArguments(host).find((argument) =>
      /^(?:(?:intel_|amd_)?iommu=(?:off|soft)|amd_iommu_dump=off)$/.test(argument),
    );
    if (off !== undefined) {
      return failure(
        `there are no IOMMU groups: the kernel command line has ${off}`,
        ...removeKernelArgument(off),
      );
    }
    const tables = host.list(places.acpiTables);
    const table = kind === INTEL ? 'DMAR' : 'IVRS';
    if (kind === OTHER) {
      return failure('there are no IOMMU groups', advice(`turn on ${kind.firmware} in the firmware setup`));
    }
    if (tables !== undefined && !tables.includes(table)) {
      return failure(
        `there are no IOMMU groups, and firmware does not announce ${kind.name} (no ACPI table ${table})`,
        advice(`turn on ${kind.firmware} in the firmware setup`),
      );
    }
    if (kind === INTEL && kernelArgument(host, 'intel_iommu') === undefined) {
      return failure(
        `there are no IOMMU groups: firmware announces ${kind.name}, but the kernel does not use it`,
        ...addKernelArgument(host, 'intel_iommu=on'),
      );
    }
    return failure(
      'there are no IOMMU groups, and the kernel command line is not why',
      advice(`turn on ${kind.firmware} in the firmware setup`),
      command("dmesg | grep -iE 'DMAR|IOMMU|AMD-Vi'"),
    );
  },
};

/** What SET_IOMMU fails with, and what the parameter that lets it pass means. */
const NEEDED = 'without it VFIO refuses every guest (vfio_iommu_type1 answers EPERM)';
const DANGER =
  'allow_unsafe_interrupts is on: a guest can make its device send any interrupt to the host, and so crash or take over the host';

/**
 * Interrupts of devices are checked by the IOMMU: their controllers have names with IR- then
 * (arch/x86/kernel/apic/msi.c, drivers/iommu/*_remapping.c).
 */
export const interruptRemapping: Check = {
  title: 'interrupt remapping',
  run: ({ host }) => {
    if ((host.list(sysfs.groups) ?? []).length === 0) return unknown('the IOMMU is off, so there is none');
    const unsafe = host.read(places.parameter('vfio_iommu_type1', 'allow_unsafe_interrupts'))?.trim() === 'Y';
    const interrupts = host.read(places.interrupts);
    if (interrupts === undefined) return unknown(`there is no ${places.interrupts} to see it in`);
    const isX86 = /\b(?:IO-APIC|PCI-MSI)/.test(interrupts);
    const remapped = !isX86 || /\bIR-(?:IO-APIC|PCI-MSI)/.test(interrupts);
    if (remapped && !unsafe) return ok(isX86 ? 'interrupts are remapped' : 'not a matter of this processor');
    if (remapped) {
      return warning(
        `interrupts are remapped, yet ${DANGER}; it is not needed here`,
        command(`echo N > ${places.parameter('vfio_iommu_type1', 'allow_unsafe_interrupts')}`),
        command('grep -rn allow_unsafe_interrupts /etc/modprobe.d'),
      );
    }
    if (unsafe) {
      return warning(
        `interrupts are not remapped, and ${DANGER}`,
        advice('give devices only to guests that you trust as you trust the host'),
        ...remappingFix(host),
      );
    }
    return failure(
      `interrupts are not remapped; ${NEEDED}`,
      ...remappingFix(host),
      advice(
        'the parameter allow_unsafe_interrupts of vfio_iommu_type1 lets guests start all the same; any of them could then take over the host, so it is for guests only that you trust as the host itself',
      ),
    );
  },
};

function remappingFix(host: Host): Found['fix'] {
  const off = kernelArguments(host).find((argument) =>
    /^(?:nointremap|intremap=off|noapic|nox2apic)$/.test(argument),
  );
  return off === undefined
    ? [advice('turn on interrupt remapping (VT-d, IOMMU, x2APIC) in the firmware setup')]
    : removeKernelArgument(off);
}

/** VFIO without an IOMMU: the device may write to all of the host's memory. */
export const noIommuMode: Check = {
  title: 'no-IOMMU mode',
  run: ({ host }) => {
    const path = places.parameter('vfio', 'enable_unsafe_noiommu_mode');
    if (host.read(path)?.trim() !== 'Y') return ok('off');
    return failure(
      'VFIO gives out devices without an IOMMU (enable_unsafe_noiommu_mode): any program with such a device can write to all memory of the host',
      command(`echo N > ${path}`),
      command('grep -rn enable_unsafe_noiommu_mode /etc/modprobe.d'),
    );
  },
};

/** A patch that makes the kernel believe in an isolation that the board does not give. */
export const acsOverride: Check = {
  title: 'ACS override',
  run: (on: Examination) => {
    const given = kernelArgument(on.host, 'pcie_acs_override');
    if (given === undefined) return ok('not used: groups are what the hardware isolates');
    return warning(
      `the kernel command line has pcie_acs_override=${given}: IOMMU groups look smaller than what is isolated, so a guest may reach devices of the host or of other guests past the IOMMU`,
      advice('move the card to a slot with a group of its own, and do without the patch'),
      ...removeKernelArgument(`pcie_acs_override=${given}`),
    );
  },
};
