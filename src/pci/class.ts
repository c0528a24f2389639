/**
 * Facts about class codes: six hexadecimal digits, class, subclass and programming interface, as the kernel's
 * `class` file has them without `0x` (PCI Code and ID Assignment Specification, section 1).
 */

/** Class 03: graphics cards, with or without an output. */
export function isDisplay(code: string): boolean {
  return code.startsWith('03');
}

/** Subclass 0300: a card that answers at the legacy VGA addresses. Only these have a `boot_vga` file. */
export function isVga(code: string): boolean {
  return code.startsWith('0300');
}

/**
 * Class 06: host, ISA, PCI and other bridges. They stay with the host, which reaches other devices through
 * them; vfio-pci refuses those with a bridge header (drivers/vfio/pci/vfio_pci_core.c).
 */
export function isBridgeClass(code: string): boolean {
  return code.startsWith('06');
}

/**
 * Parts of the board that no guest can use and the host cannot miss: SMBus (0c05: fans, memory, firmware)
 * and 0800 to 0807 (interrupt and DMA controllers, timers, IOMMUs). They must never be detached.
 *
 * 0805 is no such part: an SD host controller is a device like others. 0880, "other", is left out too, since
 * accelerators carry it.
 */
export function isSystemClass(code: string): boolean {
  return /^(?:0c05|080[0-467])/.test(code);
}

/** Classes that people hand to guests, by their first digits. */
const GIVEN = ['01', '02', '03', '04', '0805', '0b40', '0c00', '0c03', '0d', '12'] as const;

/**
 * What people hand to guests: storage, network, graphics, sound and video, co-processors and accelerators, FireWire,
 * USB, SD hosts, radio. Others can be handed over, too, but few would look for them in a listing.
 */
export function isOftenGiven(code: string): boolean {
  return GIVEN.some((prefix) => code.startsWith(prefix));
}

/** What people call a class or subclass; for a machine without pci.ids. By its first digits. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['00', 'Unclassified device'],
  ['01', 'Mass storage controller'],
  ['0100', 'SCSI storage controller'],
  ['0101', 'IDE interface'],
  ['0104', 'RAID bus controller'],
  ['0106', 'SATA controller'],
  ['0107', 'Serial Attached SCSI controller'],
  ['0108', 'Non-Volatile memory controller'],
  ['02', 'Network controller'],
  ['0200', 'Ethernet controller'],
  ['0207', 'Infiniband controller'],
  ['03', 'Display controller'],
  ['0300', 'VGA compatible controller'],
  ['0302', '3D controller'],
  ['04', 'Multimedia controller'],
  ['0400', 'Multimedia video controller'],
  ['0401', 'Multimedia audio controller'],
  ['0403', 'Audio device'],
  ['05', 'Memory controller'],
  ['0500', 'RAM memory'],
  ['06', 'Bridge'],
  ['0600', 'Host bridge'],
  ['0601', 'ISA bridge'],
  ['0604', 'PCI bridge'],
  ['0609', 'Semi-transparent PCI-to-PCI bridge'],
  ['07', 'Communication controller'],
  ['0700', 'Serial controller'],
  ['08', 'Generic system peripheral'],
  ['0800', 'PIC'],
  ['0805', 'SD Host controller'],
  ['0806', 'IOMMU'],
  ['0880', 'System peripheral'],
  ['09', 'Input device controller'],
  ['0a', 'Docking station'],
  ['0b', 'Processor'],
  ['0c', 'Serial bus controller'],
  ['0c00', 'FireWire (IEEE 1394)'],
  ['0c03', 'USB controller'],
  ['0c05', 'SMBus'],
  ['0c80', 'Serial bus controller'],
  ['0d', 'Wireless controller'],
  ['0e', 'Intelligent controller'],
  ['0f', 'Satellite communications controller'],
  ['10', 'Encryption controller'],
  ['11', 'Signal processing controller'],
  ['12', 'Processing accelerators'],
  ['13', 'Non-Essential Instrumentation'],
  ['40', 'Coprocessor'],
  ['ff', 'Unassigned class'],
]);

/** The built-in name of a class code: that of its subclass, else of its class; undefined when neither is known. */
export function builtInClassName(code: string): string | undefined {
  return NAMES.get(code.slice(0, 4)) ?? NAMES.get(code.slice(0, 2));
}
