import { advice, paste, type Hint } from '../../hint.ts';
import type { PciAddress } from '../../pci/address.ts';
import { parsePciAddress } from '../../pci/address.ts';
import { sysfs } from '../../pci/sysfs.ts';
import { quoteName } from '../../text.ts';
import { describeHolders } from '../describe-holders.ts';
import type { Holder, Host } from '../../host/host.ts';
import { cardChoice, knownDesktop, type CardChoice } from './desktops.ts';

const RULES = '/etc/udev/rules.d/61-vfio-hook-desktop.rules';
const ENVIRONMENT = '/etc/environment';

/**
 * What to do about desktops that hold a card: what ending them would mean, and what keeps each of them off the card
 * from its next start on. Only the host's other cards can be named for it to be on; without any it cannot stay.
 */
export function desktopHints(host: Host, card: PciAddress, holders: readonly Holder[]): Hint[] {
  const desktops = holders.filter((holder) => cardChoice(holder) !== undefined);
  if (desktops.length === 0) return [];
  const ends = desktops.some((holder) => knownDesktop(holder) !== undefined) ? 'ends' : 'may end';
  const warning = advice(
    `do not stop ${describeHolders(desktops)}: this ${ends} your session and every program in it`,
  );
  const others = otherCards(host, card);
  if (others.length === 0) {
    return [
      warning,
      advice(
        `${card} is the host's only graphics card, so the desktop has no other to be on: save your work, log out and stop the display manager before the guest starts`,
      ),
    ];
  }
  const choices = new Set(desktops.map((holder) => cardChoice(holder)));
  const known = [...choices].filter((choice) => choice !== undefined && choice !== 'unknown');
  if (known.length === 0) {
    const name = quoteName(desktops[0]?.name ?? '');
    return [
      warning,
      advice(
        `how ${name} is kept off a card is in its own documentation; until then log out before the guest starts`,
      ),
    ];
  }
  return [
    warning,
    ...known.flatMap((choice) => keepOff(choice, card, others)),
    advice('then restart the host: a desktop opens its cards when it starts'),
  ];
}

/** What keeps one kind of desktop off a card, the others being there for it. */
function keepOff(
  choice: Exclude<CardChoice, 'unknown'>,
  card: PciAddress,
  others: readonly PciAddress[],
): Hint[] {
  switch (choice) {
    // src/backends/native/meta-udev.c:meta_is_udev_device_ignore asks for a tag, not for a property.
    case 'mutter':
      return [paste(RULES, `SUBSYSTEM=="drm", KERNELS=="${card}", TAG+="mutter-device-ignore"`, 'for GNOME')];
    case 'kwin':
      return listOfCards('KWIN_DRM_DEVICES', 'for Plasma', others);
    case 'aquamarine':
      return listOfCards('AQ_DRM_DEVICES', 'for Hyprland', others);
    case 'wlroots':
      return listOfCards('WLR_DRM_DEVICES', 'for sway and other compositors of wlroots', others);
    case 'niri':
      return [
        paste(
          '~/.config/niri/config.kdl',
          `debug {\n  render-drm-device "/dev/dri/by-path/pci-${others[0] ?? ''}-render"\n  ignore-drm-device "/dev/dri/by-path/pci-${card}-render"\n}`,
          'for niri',
        ),
      ];
    // A list with commas, of names below /dev/dri/by-path without their end (cosmic-comp, src/utils/env.rs).
    case 'cosmic':
      return [paste(ENVIRONMENT, `COSMIC_DRM_BLOCK_DEVICES=pci-${card}`, 'for COSMIC')];
    case 'xorg':
      return [paste('/etc/X11/xorg.conf.d/10-vfio-hook.conf', xorgConfiguration(others), 'for Xorg')];
  }
}

/**
 * A variable that lists the cards which a compositor may open, divided by colons. The names in /dev/dri/by-path have
 * colons themselves, and cardN may be another card after the next boot, so udev makes names for it.
 */
function listOfCards(variable: string, purpose: string, others: readonly PciAddress[]): Hint[] {
  const names = others.map((other) => `card-${other.replaceAll(':', '-')}`);
  const rules = others.map(
    (other, index) =>
      `SUBSYSTEM=="drm", ENV{DEVTYPE}=="drm_minor", KERNEL=="card*", KERNELS=="${other}", SYMLINK+="dri/${names[index] ?? ''}"`,
  );
  const paths = names.map((name) => `/dev/dri/${name}`);
  return [
    paste(RULES, rules.join('\n'), purpose),
    paste(ENVIRONMENT, `${variable}=${paths.join(':')}`, purpose),
  ];
}

/** Cards that are not named are not added; the first one that stays is. Numbers of a BusID are decimal (xorg.conf(5)). */
function xorgConfiguration([stays]: readonly PciAddress[]): string {
  const [domain = 0, bus = 0, device = 0, number = 0] = (stays ?? '')
    .split(/[:.]/)
    .map((part) => parseInt(part, 16));
  return [
    'Section "ServerFlags"',
    '  Option "AutoAddGPU" "off"',
    'EndSection',
    'Section "Device"',
    '  Identifier "card of the host"',
    `  BusID "PCI:${bus}@${domain}:${device}:${number}"`,
    'EndSection',
  ].join('\n');
}

/** The host's other graphics cards on PCI that a desktop can be on: they have a primary node. */
function otherCards(host: Host, card: PciAddress): PciAddress[] {
  return (host.list(sysfs.devices) ?? []).flatMap((name) => {
    const address = parsePciAddress(name);
    if (address === undefined || address === card) return [];
    const nodes = host.list(sysfs.attribute(address, 'drm')) ?? [];
    return nodes.some((node) => /^card\d+$/.test(node)) ? [address] : [];
  });
}
