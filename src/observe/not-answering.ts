import { VfioHookError } from '../errors.ts';
import { advice } from '../hint.ts';
import type { StuckRead } from '../host/host.ts';

/** The error of a read that has not returned in time: it names the very file that the kernel does not answer for. */
export function notAnswering({ path }: StuckRead): VfioHookError {
  return new VfioHookError(
    'VH_STUCK',
    `the kernel does not answer for ${path}: a driver is stuck with the device`,
    {
      path,
      hints: [
        advice(
          'see what it waits for: dmesg | tail; end the program that uses the device, or restart the host',
        ),
      ],
    },
  );
}
