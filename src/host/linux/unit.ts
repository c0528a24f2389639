import type { SystemdUnit } from '../host.ts';

/**
 * The unit in the text of /proc/PID/cgroup: the first `.service` or `.scope` of the path in systemd's own
 * hierarchy, which is the only one with control groups version 2. What is below belongs to that unit, and whoever
 * it was delegated to names groups as they like. What a user's service manager runs is below `user@UID.service`,
 * again the first unit there: its name is the user's choice, and means that user's unit. Undefined without systemd,
 * and for a name that systemd would not give, or that would be an option in a command.
 */
export function unitOf(cgroup: string): SystemdUnit | undefined {
  const lines = cgroup.split('\n');
  const line =
    lines.find((each) => each.includes(':name=systemd:')) ?? lines.find((each) => each.startsWith('0::'));
  const [first, second] = (line ?? '').split('/').filter((part) => /\.(?:service|scope)$/.test(part));
  if (first === undefined || !UNIT.test(first)) return undefined;
  const user = /^user@(\d+)\.service$/.exec(first)?.[1];
  if (user === undefined || second === undefined) return { name: first };
  return UNIT.test(second) ? { name: second, user: Number(user) } : { name: first };
}

/** Characters of unit names (src/basic/unit-name.c:VALID_CHARS in systemd), no dash in front. */
const UNIT = /^[\w@:.\\][\w@:.\\-]*$/;
