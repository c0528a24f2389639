/*
 * What a distribution may need to be otherwise: NixOS, Guix, and others that put files elsewhere change this file, before
 * they build (docs/packaging.md). The build writes the same values into every file of sh in
 * dist/ that needs them. All are absolute paths without blanks and without characters that sh or a regular expression reads.
 */

/** Where install.sh puts the program unless it is told otherwise: PREFIX/sbin, PREFIX/lib/vfio-hook, PREFIX/share. */
export const PREFIX = '/usr';

/** The command, and what libvirt's hook is a link to. */
export const COMMAND = `${PREFIX}/sbin/vfio-hook`;

/** libvirt's own configuration (its `sysconfdir` with `/libvirt`): hooks, guests, qemu.conf. NixOS has /var/lib/libvirt. */
export const LIBVIRT = '/etc/libvirt';

/** Where every program that the hook starts is looked for, and nowhere else: a `PATH` from outside could name others. */
export const PROGRAM_DIRECTORIES = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'] as const;

/** Where Node.js is looked for when the one that was chosen at installation is gone, the best first. */
export const NODE_PLACES = ['/usr/bin/node', '/usr/bin/nodejs', '/bin/node', '/usr/local/bin/node'] as const;

/**
 * A directory that a group may write to, and whose sticky bit is trusted: /nix/store or /gnu/store, where builders add what
 * was not there, and nobody but root replaces what is. Elsewhere a sticky bit excuses nothing, since a name that is
 * not there yet can be taken by anybody. Empty for none.
 */
export const STORE = '' as string;
