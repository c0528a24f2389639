import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';

import type { CaseContext } from './case.ts';
import { execute, must } from './execute.ts';
import { attribute } from './sysfs.ts';
import { devices } from './topology.ts';
import { waitFor } from './wait.ts';

/** The user whose desktop it is. */
const user = { name: 'lab', id: 1000 };
const runtime = `/run/user/${user.id}`;

/** Directories of logind, without which WirePlumber 0.4 ends at once (sd_login_monitor_new). */
const logind = ['seats', 'sessions', 'users', 'machines'].map((name) => `/run/systemd/${name}`);

/** Starts what a desktop has below its sound server: udev, and a user with a session bus. Once in a boot. */
export async function beginDesktop(): Promise<void> {
  // udev would load it for the graphics card, whose ids are those of a card that it knows.
  writeFileSync('/etc/modprobe.d/lab-desktop.conf', 'blacklist nouveau\n');
  await must('useradd', ['--create-home', '--uid', String(user.id), '--groups', 'audio', user.name]);
  for (const directory of [...logind, runtime]) mkdirSync(directory, { recursive: true });
  chownSync(runtime, user.id, user.id);
  await must('/usr/lib/systemd/systemd-udevd', ['--daemon']);
  await must('udevadm', ['trigger', '--action=add', '--subsystem-match=sound']);
  await must('udevadm', ['settle']);
  await must(...asUser('dbus-daemon', ['--session', `--address=unix:path=${runtime}/bus`, '--fork']));
}

/** Starts a program of the user's for the time of a case, as a unit of the user's service manager would be. */
export function startForUser(
  context: CaseContext,
  program: string,
  ...args: readonly string[]
): ChildProcess {
  const unit = `${program}.service`;
  const group = `/sys/fs/cgroup/user.slice/user-${user.id}.slice/user@${user.id}.service/session.slice/${unit}`;
  mkdirSync(group, { recursive: true });
  const [command, rest] = asUser(program, args);
  const script = 'echo $$ > "$0/cgroup.procs"; exec "$@"';
  const child = spawn('sh', ['-c', script, group, command, ...rest], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  context.afterwards(async () => {
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    await ended;
  });
  return child;
}

/** The outcome of a program of the user's. */
export async function runForUser(program: string, ...args: readonly string[]): Promise<string> {
  return (await execute(...asUser(program, args))).stdout;
}

function asUser(program: string, args: readonly string[]): [string, readonly string[]] {
  const environment = [
    ...['PATH=/usr/bin:/bin', `HOME=/home/${user.name}`, 'LC_ALL=C', `XDG_RUNTIME_DIR=${runtime}`],
    `DBUS_SESSION_BUS_ADDRESS=unix:path=${runtime}/bus`,
  ];
  const identity = [`--reuid=${user.id}`, `--regid=${user.id}`, '--init-groups'];
  return ['setpriv', [...identity, 'env', '--ignore-environment', ...environment, program, ...args]];
}

/** The number of the sound card that the card's sound function is; undefined while no driver has it. */
export function soundCard(): string | undefined {
  const directory = attribute(devices.gpuAudio, 'sound');
  return existsSync(directory) ? /\d+/.exec(readdirSync(directory).join())?.[0] : undefined;
}

/** The nodes of that sound card which a process has open, some of them twice. */
function nodesOpenIn(pid: number): readonly string[] {
  const card = soundCard();
  if (card === undefined) return [];
  const mine = new RegExp(`^/dev/snd/[a-z]+C${card}(?:D\\d+[pc])?$`);
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => target(`/proc/${pid}/fd/${fd}`))
    .filter((link) => mine.test(link));
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}

/** Waits until processes have such nodes of the card open: `control`, or the end of a PCM node's name. */
export async function waitForNodes(holder: ChildProcess, ...ends: readonly string[]): Promise<void> {
  await waitFor(`${ends.join(' and ')} to be open in ${holder.spawnargs.at(-1) ?? ''}`, 90, () => {
    if (holder.exitCode !== null) throw new Error(`it has ended with status ${holder.exitCode}`);
    const open = nodesOpenIn(holder.pid ?? 0);
    return ends.every((end) => open.some((node) => node.includes(end))) || undefined;
  });
}

/** A file of ten minutes of silence: RIFF with one PCM channel of 16 bits, 8 kHz. */
export function silence(): string {
  const file = '/run/lab/silence.wav';
  const bytes = 9_600_000;
  const wav = Buffer.alloc(44 + bytes);
  for (const [offset, text] of [
    [0, 'RIFF'],
    [8, 'WAVEfmt '],
    [36, 'data'],
  ] as const)
    wav.write(text, offset);
  for (const [offset, value] of [
    [4, bytes + 36],
    [16, 16],
    [24, 8000],
    [28, 16_000],
    [40, bytes],
  ] as const)
    wav.writeUInt32LE(value, offset);
  for (const [offset, value] of [
    [20, 1],
    [22, 1],
    [32, 2],
    [34, 16],
  ] as const)
    wav.writeUInt16LE(value, offset);
  writeFileSync(file, wav);
  return file;
}
