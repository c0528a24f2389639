/** The Debian releases that the lab boots. */
export const suites = ['bookworm', 'trixie', 'forky'] as const;

export type Suite = (typeof suites)[number];

/** Those that `npm run test:lab` runs unless told otherwise: the oldest supported, and the present stable one. */
export const defaultSuites: readonly Suite[] = ['bookworm', 'trixie'];

/**
 * The suite whose QEMU emulates the machine, whatever runs in it. The resizable-BAR device is written for the
 * structures of this one's QEMU.
 */
export const emulatorSuite: Suite = 'trixie';

export function isSuite(text: string): text is Suite {
  return (suites as readonly string[]).includes(text);
}
