import { advice, type Hint } from '../../hint.ts';
import { isDisplay } from '../../pci/class.ts';
import type { PciAddress } from '../../pci/address.ts';
import type { PciDevice } from '../../pci/device.ts';
import { FRAME_BUFFER_CONSOLE } from '../../pci/console.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { DeviceUse } from '../../pci/use.ts';
import type { Host } from '../../host/host.ts';
import { unitOfKey, unitWords } from '../../pci/unit.ts';
import { consoles } from '../consoles.ts';
import { displayManagerUnit } from '../display-manager.ts';
import { lastFunction } from './interfaces.ts';

const OTHER_CARD = advice(
  'make another card the primary display in the firmware setup, so that the host has a screen of its own',
);

/** How the card that the host shows its screen on is for a guest all the same, with what else has to be written for it. */
export function releaseHint(device: PciAddress, manager: string | undefined, also = ''): Hint {
  const ends = manager
    ? `: ${unitWords(unitOfKey(manager))} stops for it, and the session of the desktop ends, also that of whoever starts the guest there`
    : '';
  return advice(
    `or give the guest the screen of the host, by display: {release: "${device}"}${also} in its configuration${ends}`,
  );
}

/** The card that the firmware showed its messages on, and the card that the text console is on. */
export function graphicsUses(host: Host, devices: readonly PciDevice[]): DeviceUse[] {
  const cards = devices.filter((device) => isDisplay(device.class));
  if (cards.length === 0) return [];
  const frameBuffer = consoleFrameBuffer(host);
  const release = (card: PciAddress): Hint => releaseHint(card, displayManagerUnit(host));
  return cards.flatMap(({ address, bootVga }): DeviceUse[] => [
    ...(bootVga === true
      ? [
          {
            device: address,
            reason: 'boot-vga' as const,
            detail: 'the firmware chose it as the primary display (boot_vga is 1)',
            hints: [OTHER_CARD, release(address)],
          },
        ]
      : []),
    ...(frameBuffer?.device === address
      ? [
          {
            device: address,
            reason: 'console' as const,
            detail: `the text console is on it (${frameBuffer.name})`,
            hints: [OTHER_CARD, release(address)],
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
export function consoleFrameBuffer(
  host: Host,
): { readonly name: string; readonly device: PciAddress } | undefined {
  const [name] = (host.list(sysfs.frameBuffers) ?? [])
    .filter((each) => /^fb\d+$/.test(each))
    .sort((a, b) => Number(a.slice(2)) - Number(b.slice(2)));
  const device = lastFunction(host.readLink(`${sysfs.frameBuffers}/${name ?? ''}`) ?? '');
  return name !== undefined && device && isConsoleOnFrameBuffer(host) ? { name, device } : undefined;
}

function isConsoleOnFrameBuffer(host: Host): boolean {
  return consoles(host).some(({ text, bound }) => bound && text === FRAME_BUFFER_CONSOLE);
}
