import { sysfs } from '../pci/sysfs.ts';
import { BACK_END, UNSAFE_INTERRUPTS, type Provided, type VfioState } from '../pci/vfio-state.ts';
import type { Host } from '../host/host.ts';
import { kernelRelease } from './kernel-release.ts';
import { hasModules, moduleFile } from './modules.ts';

/** Bytes of /proc/interrupts that tell it almost always: its first lines are those of the IO-APIC, on any machine. */
const HEAD = 65_536;

/**
 * Looks whether this host can give devices to guests at all. Reads little where all is well: of what its caller knows,
 * the kernel's release and the registered drivers, nothing.
 */
export function readVfioState(
  host: Host,
  release = kernelRelease(host),
  drivers = host.list(sysfs.drivers) ?? [],
): VfioState {
  return {
    interrupts: readInterrupts(host),
    unsafeInterrupts: readUnsafeInterrupts(host),
    driver: drivers.includes('vfio-pci') ? 'there' : asModule(host, release, 'vfio_pci'),
    backEnd: backEndOf(host, release),
  };
}

/** Whether guests may start without interrupt remapping; undefined while {@link BACK_END} is not loaded. */
export function readUnsafeInterrupts(host: Host): boolean | undefined {
  const text = host.read(sysfs.moduleParameter(BACK_END, UNSAFE_INTERRUPTS))?.trim();
  return text === undefined ? undefined : text === 'Y';
}

/**
 * The names of interrupt controllers begin with IR- where the IOMMU remaps (arch/x86/kernel/apic/msi.c,
 * drivers/iommu/intel/irq_remapping.c, drivers/iommu/amd/iommu.c). Other processors than x86 have neither name:
 * theirs is no question that this file answers.
 */
export function readInterrupts(host: Host): VfioState['interrupts'] {
  const bytes = host.readBytes(sysfs.interrupts, HEAD);
  if (!bytes || bytes.length === 0) return 'unknown';
  const text = new TextDecoder().decode(bytes);
  const isWhole = bytes.length < HEAD;
  if (isRemapped(text)) return 'remapped';
  const whole = isWhole ? text : (host.read(sysfs.interrupts) ?? '');
  if (isRemapped(whole)) return 'remapped';
  return /\b(?:IO-APIC|PCI-MSI)/.test(whole) ? 'not-remapped' : 'unknown';
}

function isRemapped(text: string): boolean {
  return /\bIR-(?:IO-APIC|PCI-MSI)/.test(text);
}

/** POWER has its own back end; iommufd stands in for type 1 where the kernel has been built so (IOMMUFD_VFIO_CONTAINER). */
function backEndOf(host: Host, release: string): Provided {
  const loaded = host.list(sysfs.modules) ?? [];
  if ([BACK_END, 'vfio_iommu_spapr_tce', 'iommufd'].some((module) => loaded.includes(module))) return 'there';
  const own = asModule(host, release, BACK_END);
  if (own === 'module') return own;
  const others = ['vfio_iommu_spapr_tce', 'iommufd'].some(
    (module) => asModule(host, release, module) === 'module',
  );
  return others || host.status(sysfs.iommufd) !== undefined ? 'there' : 'missing';
}

function asModule(host: Host, release: string, module: string): Provided {
  return hasModules(host) && moduleFile(host, release, module) === undefined ? 'missing' : 'module';
}
