import { count } from '../count.ts';
import type { Host } from '../host/host.ts';
import { kernelRelease } from '../observe/kernel-release.ts';
import { readVfioState } from '../observe/vfio-state.ts';
import { sysfs } from '../pci/sysfs.ts';
import { BACK_END, UNSAFE_INTERRUPTS } from '../pci/vfio-state.ts';
import { NOT_REMAPPED } from '../plan/vfio-ready.ts';
import { addKernelArgument, kernelArgument, kernelArguments, removeKernelArgument } from './boot.ts';
import type { Check, Examination } from './examination.ts';
import { failure, ok, unknown, warning, type Found } from './finding.ts';
import { advice, command, paste, type Hint } from '../hint.ts';
import { places } from './places.ts';
import { shownPath } from '../text.ts';

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
    if (groups.length > 0) return ok(`${kind.name} is on: ${count(groups.length, 'group')}`);
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

/** What the parameter means that lets guests start all the same. */
const UNSAFE =
  'a guest can make its device send any interrupt to the host, and so crash or take over the host';
const DANGER = `${UNSAFE_INTERRUPTS} is on: ${UNSAFE}`;

/** Interrupts of devices are checked by the IOMMU, judged as a start judges it (src/plan/vfio-ready.ts). */
export const interruptRemapping: Check = {
  title: 'interrupt remapping',
  run: (on) => {
    const { host } = on;
    if ((host.list(sysfs.groups) ?? []).length === 0) return unknown('the IOMMU is off, so there is none');
    if (host.status(sysfs.interrupts) === undefined)
      return unknown(`there is no ${sysfs.interrupts} to see it in`);
    const { interrupts, unsafeInterrupts: unsafe } = readVfioState(host);
    const allowing = on.configFiles().find(({ config }) => config?.allowUnsafeInterrupts === true)?.path;
    const key = allowing === undefined ? undefined : `allowUnsafeInterrupts in ${shownPath(allowing)}`;
    if (interrupts !== 'not-remapped' && !unsafe) {
      const well = interrupts === 'remapped' ? 'interrupts are remapped' : 'not a matter of this processor';
      if (key === undefined) return ok(well);
      return warning(`${well}, so ${key} does nothing`, advice('take that line out'));
    }
    if (interrupts !== 'not-remapped') {
      return warning(
        `interrupts are remapped, yet ${DANGER}; it is not needed here`,
        command(`echo N > ${places.parameter('vfio_iommu_type1', 'allow_unsafe_interrupts')}`),
        command('grep -rn allow_unsafe_interrupts /etc/modprobe.d'),
      );
    }
    if (unsafe) {
      return warning(
        `interrupts are not remapped, and ${key === undefined ? '' : `by ${key} `}${DANGER}`,
        advice('give devices only to guests that you trust as you trust the host'),
        ...remappingFix(host),
      );
    }
    if (key !== undefined) {
      return warning(
        `interrupts are not remapped, and ${key} turns ${UNSAFE_INTERRUPTS} on while a guest has devices: ${UNSAFE}`,
        advice('give devices only to guests that you trust as you trust the host'),
        ...remappingFix(host),
      );
    }
    return failure(NOT_REMAPPED, ...remappingFix(host), ...unsafeFix(host));
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

/** The way around it, behind its danger: for a module, and for one that is part of the kernel. */
function unsafeFix(host: Host): readonly Hint[] {
  const parameter = UNSAFE_INTERRUPTS;
  return [
    advice(
      'the parameter allow_unsafe_interrupts of vfio_iommu_type1 lets guests start all the same; any of them could then take over the host, so it is for guests only that you trust as the host itself',
    ),
    ...(isBuiltIn(host)
      ? addKernelArgument(host, `${BACK_END}.${parameter}=1`)
      : [
          paste('/etc/modprobe.d/vfio-hook.conf', `options ${BACK_END} ${parameter}=1`),
          command(`modprobe ${BACK_END}; echo Y > ${sysfs.moduleParameter(BACK_END, parameter)}`),
        ]),
    advice(
      'to have it on only while a guest has devices, do none of that, and write allowUnsafeInterrupts: true into /etc/vfio-hook/config.yaml',
    ),
  ];
}

function isBuiltIn(host: Host): boolean {
  return (host.read(`${places.modules}/${kernelRelease(host)}/modules.builtin`) ?? '').includes(
    `/${BACK_END}.ko`,
  );
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
