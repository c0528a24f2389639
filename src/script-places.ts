/*
 * Where the scripts of a guest are, for the hook that runs them, the plan that shows them, and the doctor that looks at them.
 */

import { LIBVIRT } from './distribution.ts';

/** The tree of the usual dispatchers: `GUEST/OPERATION/SUB-OPERATION/NAME` below it. */
export const SCRIPT_TREE = `${LIBVIRT}/hooks/qemu.d`;

/** Operation and sub-operation of scripts that run for a device between its unbind and its bind. No call of libvirt is named so. */
export const BETWEEN = ['prepare', 'between'] as const;

/** What tells a script between which device it runs for. */
export const DEVICE_VARIABLE = 'VFIO_HOOK_DEVICE';

/**
 * What libvirt calls a hook of QEMU for (src/util/virhook.c: virHookQemuOp; the sub-operation is fixed for each in
 * src/qemu). `attach` is documented, and was never called again since libvirt 5.5.
 */
export const libvirtMoments = {
  prepare: 'begin',
  start: 'begin',
  started: 'begin',
  stopped: 'end',
  release: 'end',
  migrate: 'begin',
  restore: 'begin',
  reconnect: 'begin',
} as const;

/** Where a script between is looked for. */
export function placeBetween(guest: string, name: string, tree: string = SCRIPT_TREE): string {
  return [tree, guest, ...BETWEEN, name].join('/');
}
