import type { Claim } from '../claim/claim.ts';
import type { Config, DisplayRule } from '../config/config.ts';
import { ruleFor } from '../config/rules.ts';
import type { PciHostdev } from '../domain/domain.ts';
import { VfioHookError } from '../errors.ts';
import { advice } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { consoles, firmwareFramebuffers } from '../observe/consoles.ts';
import { displayManagerUnit } from '../observe/display-manager.ts';
import { hexAttribute } from '../observe/hex-attribute.ts';
import { consoleFrameBuffer } from '../observe/uses/graphics.ts';
import type { PciAddress } from '../pci/address.ts';
import { isDisplay } from '../pci/class.ts';
import { FRAME_BUFFER_CONSOLE } from '../pci/console.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { DisplayPlaces } from '../resource/display/wishes.ts';

/**
 * The cards that a guest gets with the host's screen. Throws VH_CONFIG for a card that its XML does not assign, and where
 * none of those that it does is a graphics card.
 */
export function displayCards(
  host: Host,
  { release }: DisplayRule,
  hostdevs: readonly PciHostdev[],
): readonly PciAddress[] {
  const assigned = hostdevs.map(({ address }) => address);
  const cards = assigned.filter((address) => isDisplay(hexAttribute(host, address, 'class') ?? ''));
  if (release === 'auto' ? cards.length > 0 : assigned.includes(release)) {
    return release === 'auto' ? cards : [release];
  }
  const [what, hint] =
    release === 'auto'
      ? ['its XML assigns no graphics card', 'take display out of its file, or assign it the card']
      : [
          `its XML does not assign ${release}`,
          `write the card that it is assigned${cards[0] === undefined ? '' : `, ${cards[0]}`}, or auto`,
        ];
  throw new VfioHookError('VH_CONFIG', `display.release cannot be done: ${what}`, {
    ...(release !== 'auto' && { device: release }),
    hints: [advice(hint)],
  });
}

/** What of the host's screen is on these cards, or was, when this guest's earlier claim was made. */
export function displayPlaces(
  host: Host,
  cards: readonly PciAddress[],
  earlier: Claim | undefined,
): DisplayPlaces {
  const manager = displayManagerUnit(host);
  const at = consoleFrameBuffer(host)?.device;
  const isHeld = earlier?.holds.some(({ kind }) => kind === 'console') === true;
  const all = consoles(host);
  // Without one that the kernel has for good it cannot be bound again (drivers/tty/vt/vt.c:vt_bind): then it is left alone,
  // and goes and comes with the driver of the card.
  const isThere = all.some(({ text }) => text === FRAME_BUFFER_CONSOLE) && all.some(({ system }) => system);
  const primary = cards.some((card) => host.read(sysfs.attribute(card, 'boot_vga'))?.trim() === '1');
  const framebuffers = firmwareFramebuffers(host).filter(({ card }) =>
    card === undefined ? primary : cards.includes(card),
  );
  return {
    ...(manager !== undefined && { manager }),
    // On a frame buffer of the firmware whose card the kernel does not tell, it is on that card as well.
    console: isHeld || (isThere && (framebuffers.length > 0 || (at !== undefined && cards.includes(at)))),
    framebuffers: framebuffers.map(({ name }) => name),
  };
}

/** The configuration with leave to take the primary display and its text console: whoever gives the screen away means that. */
export function withDisplayAllowed(config: Config, host: Host, cards: readonly PciAddress[]): Config {
  const rules = cards.map((address) => {
    const value = (name: string): string => hexAttribute(host, address, name) ?? '';
    const device = { address, vendor: value('vendor'), device: value('device'), class: value('class') };
    const { allow = [] } = ruleFor(config, device);
    return {
      match: { by: 'address', address } as const,
      bars: new Map<number, number>(),
      allow: [...new Set([...allow, 'boot-vga' as const, 'console' as const])],
    };
  });
  return { ...config, devices: [...config.devices, ...rules] };
}
