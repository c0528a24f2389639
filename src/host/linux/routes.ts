import { VfioHookError } from '../../errors.ts';
import { options } from '../../programs.ts';
import { runBounded } from './child.ts';

/** Each quarter of all addresses: `match` selects the networks that a quarter is a part of. */
const BATCH = ['0', '64', '128', '192']
  .map((byte) => `route show table all match ${byte}.0.0.0/2\n`)
  .join('');

/**
 * What ip(8) tells of routes that /proc does not show. It answers nothing to the purpose when it is busybox's, which has
 * no -json; without the program, VH_INSTALLATION, nothing is told either: the network decides about few starts.
 */
export async function wideRoutes(deadlineMs: number): Promise<string | undefined> {
  try {
    const result = await runBounded('ip', options.ip, { input: BATCH, deadlineMs });
    return result.kind === 'exited' && result.status === 0 ? result.stdout : undefined;
  } catch (error) {
    if (error instanceof VfioHookError && error.code === 'VH_INSTALLATION') return undefined;
    throw error;
  }
}
