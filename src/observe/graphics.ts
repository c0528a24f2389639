import type { Host } from '../host/host.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { isDisplay } from '../pci/class.ts';
import type { GraphicsCard, GraphicsHost } from '../pci/graphics.ts';
import { idsOf } from '../pci/modalias.ts';
import { sysfs } from '../pci/sysfs.ts';
import { boundDriver } from './bound-driver.ts';
import { hexAttribute } from './hex-attribute.ts';
import { kernelRelease } from './kernel-release.ts';
import { hasModules, moduleFile } from './modules.ts';

/** Every graphics card of this host. Reads what takes no lock. */
export function graphicsCards(host: Host): readonly GraphicsCard[] {
  return (host.list(sysfs.devices) ?? []).flatMap((name) => {
    const address = parsePciAddress(name);
    const classCode = address && hexAttribute(host, address, 'class');
    return address && classCode !== undefined && isDisplay(classCode) ? [readCard(host, address)] : [];
  });
}

function readCard(host: Host, address: PciAddress): GraphicsCard {
  const ids = idsOf(host.read(sysfs.attribute(address, 'modalias'))?.trim() ?? '');
  const names = host.list(sysfs.device(address)) ?? [];
  const functions = names.filter((name) => /^virtfn\d+$/.test(name));
  const [first] = functions;
  return {
    address,
    vendor: ids?.vendor ?? '',
    device: ids?.device ?? '',
    driver: boundDriver(host, address) ?? '',
    totalVfs: Number(host.read(sysfs.attribute(address, 'sriov_totalvfs')) ?? 0),
    numVfs: functions.length,
    isVirtual: names.includes('physfn'),
    hasVendorFramework:
      names.includes('nvidia') ||
      (first !== undefined && host.list(sysfs.attribute(address, `${first}/nvidia`)) !== undefined),
  };
}

/** The modules and parameters behind it. */
export function graphicsHost(host: Host): GraphicsHost {
  const parameter = (module: string, name: string): string =>
    host.read(sysfs.moduleParameter(module, name))?.trim() ?? '';
  return {
    kvmgt: kvmgtState(host),
    enableGvt: parameter('i915', 'enable_gvt'),
    enableGuc: parameter('i915', 'enable_guc'),
    vgpuKvm: parameter('nvidia', 'vgpukvm'),
  };
}

function kvmgtState(host: Host): GraphicsHost['kvmgt'] {
  if (host.list(sysfs.module('kvmgt')) !== undefined) return 'loaded';
  // A file of a megabyte, for nothing where no card is i915's.
  if (host.list(sysfs.driver('i915')) === undefined) return 'absent';
  if (!hasModules(host)) return 'loadable';
  return moduleFile(host, kernelRelease(host), 'kvmgt') === undefined ? 'absent' : 'loadable';
}
