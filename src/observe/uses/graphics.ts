import { advice } from '../../hint.ts';
import { isDisplay } from '../../pci/class.ts';
import type { PciAddress } from '../../pci/address.ts';
import type { PciDevice } from '../../pci/device.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { DeviceUse } from '../../pci/use.ts';
import type { Host } from '../../host/host.ts';
import { lastFunction } from './interfaces.ts';

const HINT = advice(
  'make another card the primary display in the firmware setup, so that the host has a screen of its own',
);

/** The card that the firmware showed its messages on, and the card that the text console is on. */
export function graphicsUses(host: Host, devices: readonly PciDevice[]): DeviceUse[] {
  const cards = devices.filter((device) => isDisplay(device.class));
  if (cards.length === 0) return [];
  const frameBuffer = consoleFrameBuffer(host);
  return cards.flatMap(({ address, bootVga }): DeviceUse[] => [
    ...(bootVga === true
      ? [
          {
            device: address,
            reason: 'boot-vga' as const,
            detail: 'the firmware chose it as the primary display (boot_vga is 1)',
            hints: [HINT],
          },
        ]
      : []),
    ...(frameBuffer?.device === address
      ? [
          {
            device: address,
            reason: 'console' as const,
            detail: `the text console is on it (${frameBuffer.name})`,
            hints: [HINT],
          },
        ]
      : []),
  ]);
}

/**
 * The frame buffer that the text console is on, when it is on one: the first that is there
 * (drivers/video/fbdev/core/fbcon.c:fbcon_fb_registered; which one a `con2fbmap` chose cannot be read).
 * A firmware's frame buffer has a device of the bus platform, which since Linux 6.9 is below the card.
 */
function consoleFrameBuffer(host: Host): { readonly name: string; readonly device: PciAddress } | undefined {
  const [name] = (host.list(sysfs.frameBuffers) ?? [])
    .filter((each) => /^fb\d+$/.test(each))
    .sort((a, b) => Number(a.slice(2)) - Number(b.slice(2)));
  const device = lastFunction(host.readLink(`${sysfs.frameBuffers}/${name ?? ''}`) ?? '');
  return name !== undefined && device && isConsoleOnFrameBuffer(host) ? { name, device } : undefined;
}

function isConsoleOnFrameBuffer(host: Host): boolean {
  return (host.list(sysfs.consoles) ?? []).some((each) => {
    const path = `${sysfs.consoles}/${each}`;
    return (
      host.read(`${path}/name`)?.includes('frame buffer device') === true &&
      host.read(`${path}/bind`)?.trim() === '1'
    );
  });
}
