import type { FileStatus, Host } from '../host/host.ts';
import { places } from './places.ts';

/** As whom libvirt runs QEMU. */
export interface QemuUser {
  readonly name: string;
  readonly uid: number;
  /** Numbers of its groups. */
  readonly groups: readonly number[];
}

/** What distributions build libvirt with, in the order in which they are looked for (meson_options.txt: qemu_user). */
const USUAL = ['libvirt-qemu', 'qemu'] as const;

/**
 * The user of `user` and `group` in qemu.conf, else the one that a distribution has; undefined: none is known, or it is
 * root, who may do everything. Throws an errno error where qemu.conf may not be read.
 */
export function qemuUser(host: Host): QemuUser | undefined {
  const text = host.read(places.qemuConf) ?? '';
  const said = (key: string): string | undefined =>
    new RegExp(`^\\s*${key}\\s*=\\s*"\\+?([^"]+)"`, 'm').exec(text)?.[1];
  const users = table(host, places.users);
  const groups = table(host, places.groups);
  const wanted = said('user');
  const name = wanted ?? USUAL.find((usual) => users.some(([own]) => own === usual));
  const user = users.find(([own, , uid]) => own === name || uid === name);
  if (name === undefined || !user || user[2] === '0') return undefined;
  const group = said('group');
  const numbers = groups
    .filter(
      ([own, , gid, members = '']) => own === group || gid === group || members.split(',').includes(name),
    )
    .map(([, , gid]) => Number(gid));
  return { name, uid: Number(user[2]), groups: [Number(user[3]), ...numbers] };
}

/** Whether it may read and write a file of this owner, group and mode. */
export function canUse({ uid, groups }: QemuUser, file: FileStatus): boolean {
  const bits = file.uid === uid ? 0o600 : groups.includes(file.gid) ? 0o060 : 0o006;
  return (file.mode & bits) === bits;
}

/** Lines of passwd(5) or group(5). */
function table(host: Host, path: string): readonly (readonly string[])[] {
  return (host.read(path) ?? '').split('\n').map((line) => line.split(':'));
}
