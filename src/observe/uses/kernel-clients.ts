import { advice, command } from '../../hint.ts';
import type { PciDevice } from '../../pci/device.ts';
import { drmLetsGo, isOn, NVIDIA, NVIDIA_DRM } from '../../pci/nvidia.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { DeviceUse } from '../../pci/use.ts';
import type { Host } from '../../host/host.ts';
import { isLoaded } from '../loaded-modules.ts';

/**
 * Cards that the kernel itself has open, where its driver waits for that without end: with mode setting on, nvidia_drm is a
 * client of every card of the driver nvidia, and drivers before 595 do not take it from a card that is unbound
 * (kernel-open/nvidia/nv-pci.c:nv_pci_remove_helper). No process shows it.
 */
export function kernelClientUses(
  host: Host,
  devices: readonly Pick<PciDevice, 'address' | 'driver' | 'physicalFunction'>[],
): DeviceUse[] {
  const cards = devices.filter(
    ({ driver, physicalFunction }) => driver === NVIDIA && physicalFunction === undefined,
  );
  if (cards.length === 0 || !isLoaded(host, NVIDIA_DRM)) return [];
  if (!isOn(host.read(sysfs.moduleParameter(NVIDIA_DRM, 'modeset')))) return [];
  const version = host.read(sysfs.moduleFile(NVIDIA, 'version'))?.trim();
  if (drmLetsGo(version)) return [];
  return cards.map(({ address }) => ({
    device: address,
    reason: 'held',
    detail: `the kernel's ${NVIDIA_DRM} has it open (modeset is on), which the driver nvidia waits for without end`,
    hints: [
      command("echo 'options nvidia_drm modeset=0' > /etc/modprobe.d/nvidia-drm-modeset.conf"),
      advice(
        'that counts once nvidia_drm is loaded anew; or have vfio-pci take the card when the host starts',
      ),
    ],
    modules: [NVIDIA_DRM],
    offered: false,
  }));
}
