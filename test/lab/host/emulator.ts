import path from 'node:path';

/** A program with its first arguments and environment: the suite's own QEMU. */
export interface Emulator {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * QEMU from an unpacked root file system, started by that system's own loader, so that neither the libc nor the
 * QEMU of this machine matters and nothing is chrooted.
 * @param preload a shared object to load into QEMU
 */
export function emulator(root: string, preload?: string): Emulator {
  const libraries = path.join(root, 'usr', 'lib', 'x86_64-linux-gnu');
  const firmware = ['qemu', 'seabios', 'ovmf', '../lib/ipxe/qemu'].flatMap((name) => [
    '-L',
    path.join(root, 'usr', 'share', name),
  ]);
  return {
    program: path.join(libraries, 'ld-linux-x86-64.so.2'),
    args: [
      ...(preload === undefined ? [] : ['--preload', preload]),
      ...['--library-path', `${libraries}:${path.join(libraries, 'pulseaudio')}`],
      path.join(root, 'usr', 'bin', 'qemu-system-x86_64'),
      ...firmware,
    ],
    env: { QEMU_MODULE_DIR: path.join(libraries, 'qemu') },
  };
}
