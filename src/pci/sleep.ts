/** Whether the host may sleep while a guest runs. */
export type SleepRule = 'allow' | 'block';

/** The unit that keeps the host awake as long as it runs (systemd/). It is installed with this program. */
export const AWAKE_UNIT = 'vfio-hook-awake.service';
