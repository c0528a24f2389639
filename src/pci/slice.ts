/**
 * What systemd has the processes of a host in, besides guests (machine.slice): services, sessions of users, and itself
 * (systemd.special(7)). These are what is kept off the CPUs of a guest.
 */
export const hostSlices = ['system.slice', 'user.slice', 'init.scope'] as const;

export type HostSlice = (typeof hostSlices)[number];

/** Whether a text is the name of one of them. */
export function isHostSlice(text: string): text is HostSlice {
  return hostSlices.some((slice) => slice === text);
}

/** The arguments of systemctl(1) that let a slice run on these CPUs until the next boot; on whichever, with an empty list. */
export function allowArguments(slice: HostSlice, cpus: string): readonly string[] {
  return ['set-property', '--runtime', '--', slice, `AllowedCPUs=${cpus}`];
}
