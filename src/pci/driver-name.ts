/**
 * What the name of a kernel driver or module looks like: at most 64 characters, none of which can leave a directory,
 * end a line, be an option or turn a terminal. Most names have letters, digits, `-` and `_` only; a few drivers have a
 * space, `+`, `.` or the `!` that sysfs writes for a slash (`MTD PCI`, `hexium HV-PCI!Orion`).
 */
export const DRIVER_NAME = /^[A-Za-z0-9_+](?:[A-Za-z0-9_+ .!-]{0,62}[A-Za-z0-9_+.!-])?$/;

/**
 * The one rule for names of drivers and modules, wherever they come from: the XML, the configuration, the command
 * line, a claim, sysfs. What breaks it reaches no path, no `modprobe` and no terminal.
 */
export function isDriverName(text: string): boolean {
  return DRIVER_NAME.test(text);
}
