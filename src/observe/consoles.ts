import type { Host } from '../host/host.ts';
import type { PciAddress } from '../pci/address.ts';
import { isConsoleText, isFirmwareFramebuffer, parseConsoleName, type Console } from '../pci/console.ts';
import { sysfs } from '../pci/sysfs.ts';
import { lastFunction } from './uses/interfaces.ts';

/** The drivers of the text console that are there. Their numbers change as they come and go. */
export function consoles(host: Host): readonly Console[] {
  return (host.list(sysfs.consoles) ?? []).flatMap((name) => {
    const known = parseConsoleName(host.read(sysfs.console(name, 'name')) ?? '');
    const bound = host.read(sysfs.console(name, 'bind'))?.trim() === '1';
    return known && isConsoleText(known.text) ? [{ name, ...known, bound }] : [];
  });
}

/** A frame buffer that the firmware has left: `efi-framebuffer.0`. */
export interface FirmwareFramebuffer {
  readonly name: string;
  /** Empty: none has it. */
  readonly driver: string;
  /** The card that it is on; undefined: the kernel does not say. */
  readonly card: PciAddress | undefined;
}

/**
 * Frame buffers of the firmware that no driver of a card has taken the place of yet. Before Linux 6.9 the kernel does not
 * say which card one is on (drivers/firmware/sysfb.c:sysfb_parent_dev): then it is on the primary display.
 */
export function firmwareFramebuffers(host: Host): readonly FirmwareFramebuffer[] {
  return (host.list(sysfs.platformDevices) ?? []).filter(isFirmwareFramebuffer).map((name) => {
    const path = sysfs.platformDevice(name);
    const driver = host.readLink(`${path}/driver`)?.split('/').pop() ?? '';
    return { name, driver, card: lastFunction(host.readLink(path) ?? '') };
  });
}
