import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import process from 'node:process';

import { execute, must } from './execute.ts';
import { isSystemd } from './systemd.ts';
import { waitFor } from './wait.ts';

/** For a machine without polkit, and in most series without systemd, udev and dbus, and without an account for QEMU. */
const qemuConf = `
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
stdio_handler = "file"
cgroup_controllers = [ ]
`;
const libvirtdConf = `
unix_sock_group = "root"
auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "2:stderr"
`;

/** Configures libvirtd, once in the life of a lab. */
export function configureLibvirtd(): void {
  const directories = [
    '/etc/libvirt/hooks',
    '/var/log/libvirt/qemu',
    '/var/lib/libvirt/qemu',
    '/run/libvirt',
  ];
  for (const directory of directories) mkdirSync(directory, { recursive: true });
  appendFileSync('/etc/libvirt/qemu.conf', qemuConf);
  appendFileSync('/etc/libvirt/libvirtd.conf', libvirtdConf);
}

/**
 * Starts the daemon and waits until its QEMU driver answers: with the first command of a boot it asks QEMU for its
 * capabilities, which takes up to a quarter of a minute here.
 */
export async function startLibvirtd(): Promise<void> {
  if (isSystemd()) {
    await must('systemctl', ['start', 'libvirtd.service']);
  } else {
    // A machine without systemd keeps the file of a daemon that was killed.
    rmSync('/run/libvirtd.pid', { force: true });
    // By its full path, since AppArmor attaches its profile to that.
    await must('sh', ['-c', 'exec /usr/sbin/libvirtd --daemon >>/run/lab/libvirtd.log 2>&1']);
  }
  await waitFor('an answer of libvirtd', 60, async () => {
    return (await execute('virsh', ['-q', 'list', '--all'], { limit: 40 })).status === 0 || undefined;
  });
}

/** Ends the daemon with a signal and waits until it is gone. Guests go on running. */
export async function stopLibvirtd(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  signalAll(processes('libvirtd'), signal);
  await waitFor('the end of libvirtd', 60, () => processes('libvirtd').length === 0 || undefined);
}

export async function restartLibvirtd(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  await stopLibvirtd(signal);
  await startLibvirtd();
}

/** Process ids by the name of the program (the kernel keeps its first 15 characters). */
export function processes(name: string): readonly number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      const stat = text(`/proc/${pid}/stat`);
      // A zombie has ended; only its parent has not noticed.
      return stat.includes(`(${name.slice(0, 15)})`) && !stat.includes(') Z ');
    })
    .map(Number);
}

/** Process ids of those whose arguments contain all of the words, in any order. */
export function processesWith(...words: readonly string[]): readonly number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => {
      const args = text(`/proc/${pid}/cmdline`).split('\0');
      return words.every((word) => args.includes(word));
    })
    .map(Number);
}

/**
 * Sends a signal to those of the processes that are still there. One that processesWith has found may be none of those
 * that were meant: between fork and exec a child has the arguments of its parent.
 */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

function text(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
