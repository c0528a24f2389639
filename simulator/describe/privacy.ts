/*
 * What of a machine may leave it. Everything that people choose (names of interfaces, volumes, mount points, hosts)
 * is let through only where it has a form that says nothing about them; the rest becomes a general word.
 */

/** Parameters of the kernel's command line that decide about devices and guests. */
const PARAMETERS =
  /^(?:(?:intel_|amd_)?iommu(?:\.\w+)?|vfio(?:[-_]\w+)?\.\w+|pci|pcie_\w+|kvm(?:[-_]\w+)?\.\w+|rd\.driver\.(?:pre|blacklist)|module_blacklist|modprobe\.blacklist|nomodeset|video|(?:i915|xe|amdgpu|radeon|nouveau|nvidia(?:[-_]\w+)?|snd_hda_intel)\.\w+|default_hugepagesz|hugepagesz|hugepages|isolcpus|quiet)$/;
const VALUE = /^[\w.,:;+-]{0,200}$/;
const MAC = /(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}/i;
const UUID = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/i;

/** The command line without what names disks, networks, hosts or people. */
export function publicCommandLine(text: string): string {
  return text
    .trim()
    .split(/\s+/)
    .filter((word) => {
      const equals = word.indexOf('=');
      const name = equals === -1 ? word : word.slice(0, equals);
      const value = equals === -1 ? '' : word.slice(equals + 1);
      return PARAMETERS.test(name) && VALUE.test(value) && !MAC.test(value) && !UUID.test(value);
    })
    .join(' ');
}

/** Directories that every Linux has. */
const PLACES = [
  '/',
  '/boot',
  '/boot/efi',
  '/efi',
  '/etc',
  '/gnu/store',
  '/home',
  '/nix',
  '/nix/store',
  '/opt',
  '/root',
  '/srv',
  '/sysroot',
  '/tmp',
  '/usr',
  '/var',
  '/var/lib',
  '/var/lib/libvirt',
  '/var/lib/libvirt/images',
  '/var/log',
];

/** A mount point: itself where every Linux has it, else only that there is one. */
export function publicMountPoint(path: string): string {
  return PLACES.includes(path) ? path : '/mnt/data';
}

/** Names that the kernel or udev make of where an interface is; those made of MAC addresses (enx…) are left out. */
const INTERFACE =
  /^(?:eth|wlan|usb|ib|wwan)\d{1,3}$|^(?:en|wl|ww|ib|sl)(?:o\d{1,3}|s\d{1,3}|(?:P\d{1,5})?p\d{1,3}s\d{1,3})(?:f\d{1,3})?(?:n(?:p|s|d)?\w{1,4})?(?:v\d{1,3})?$/;
const MASTER = /^(?:br|bond|team|virbr|vmbr)\d{1,3}$/;

/** The name of a network interface, or a general one with this number. */
export function publicInterface(name: string, number: number): string {
  return INTERFACE.test(name) ? name : `net${number}`;
}

/** The name of a bridge, bond or team, or a general one with this number. */
export function publicMaster(name: string, number: number): string {
  return MASTER.test(name) ? name : `virtual${number}`;
}

/** The numbers of a kernel release; what follows them may be anything. */
export function publicRelease(release: string): string {
  return /^\d+(?:\.\d+){1,2}/.exec(release)?.[0] ?? '?';
}

/** A word of the kernel's own (names of drivers, reset methods), or undefined for anything else. */
export function publicWord(word: string): string | undefined {
  return /^[\w-]{1,40}$/.test(word) ? word : undefined;
}
