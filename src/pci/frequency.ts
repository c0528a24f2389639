/**
 * The kernel's governors that need nobody to go on telling them (Documentation/admin-guide/pm/cpufreq.rst); `userspace`
 * does nothing by itself.
 */
export const governors = ['performance', 'powersave', 'schedutil', 'ondemand', 'conservative'] as const;

/** What decides how fast CPUs run. */
export type Governor = (typeof governors)[number];

/** Whether a text is the name of a frequency policy: one CPU, or several that always run at one speed. */
export function isPolicyName(text: string): boolean {
  return /^policy(?:0|[1-9]\d{0,4})$/.test(text);
}
