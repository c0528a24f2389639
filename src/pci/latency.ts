/** The most that may be asked for, in microseconds: no CPU sleeps so deep. */
export const MOST_LATENCY_US = 1_000_000;

/** The template of the unit that keeps CPUs from sleeping deeper (systemd/). It is installed with this program. */
export const LATENCY_TEMPLATE = 'vfio-hook-latency@.service';

/** The unit that has them wake within so many microseconds, as long as it runs. */
export function latencyUnit(microseconds: number): string {
  return LATENCY_TEMPLATE.replace('@', `@${microseconds}`);
}

/** Whether a unit is one of these. */
export function isLatencyUnit(name: string): boolean {
  return /^vfio-hook-latency@\d{1,7}\.service$/.test(name);
}
