/** One call of the hook by libvirt: `<path> <domain> <operation> <sub-operation> <extra>` (src/util/virhook.c:virHookCall). */
export interface Invocation {
  /** The guest's name, as hostile as a name can be: `--help`, `..`, with blanks and newlines. */
  readonly guest: string;
  readonly operation: string;
  readonly subOperation: string;
  /** The reason of a release (libvirt 10.5 and later), or `-`. Nothing depends on it. */
  readonly extra: string;
}

/** What an invocation means for us. */
export type Action = 'prepare' | 'start' | 'release' | 'nothing';

/** The arguments by position, whatever they look like; undefined when there are fewer than libvirt gives. */
export function parseInvocation(args: readonly string[]): Invocation | undefined {
  const [guest, operation, subOperation, extra = '-'] = args;
  if (guest === undefined || operation === undefined || subOperation === undefined) return undefined;
  return { guest, operation, subOperation, extra };
}

/**
 * Devices are handed over in prepare/begin, before libvirt looks at them, and given back in release/end,
 * after libvirt has put back what it moved itself. What libvirt chooses in between is claimed in start/begin, before QEMU
 * runs. Everything else is somebody else's moment:
 * a failing `reconnect` kills a healthy guest, and in `stopped` libvirt still resets the devices.
 */
export function actionOf({ operation, subOperation }: Invocation): Action {
  if (operation === 'prepare' && subOperation === 'begin') return 'prepare';
  if (operation === 'start' && subOperation === 'begin') return 'start';
  if (operation === 'release' && subOperation === 'end') return 'release';
  return 'nothing';
}

/**
 * The directory of a simulated machine: `--simulated-machine DIRECTORY` after libvirt's four arguments puts a
 * simulated kernel in the real one's place, for tests and the demo. libvirt always gives exactly four
 * arguments, and neither a guest's name nor a configuration nor the environment can add any.
 */
export function simulatedMachine(args: readonly string[]): string | undefined {
  return args.length === 6 && args[4] === '--simulated-machine' ? args[5] : undefined;
}
