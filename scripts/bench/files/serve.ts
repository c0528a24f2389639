/**
 * A host of plain files, for the compiled hook as it is installed: in a mount namespace of its own this process puts a
 * simulated machine's tree over /sys, /dev, /run and what else the hook reads, and serves what is written to. Called
 * by plain-host.ts through unshare(1) with the setting as a file's name and a directory that it may fill. Prints
 * `ready`, and ends with its standard input.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serveFiles } from './fuse.ts';
import { fileKernel, type Setting } from './kernel.ts';
import { modulesOfADistribution } from './modules.ts';

const [, , settingFile = '', directory = ''] = process.argv;
const setting = JSON.parse(readFileSync(settingFile, 'utf8')) as Setting;

/** Files of /proc that tell of the machine. The others are those of this computer. */
const PROC = [
  '/proc/cmdline',
  '/proc/interrupts',
  '/proc/swaps',
  '/proc/sys/kernel/osrelease',
  '/proc/bus/input/devices',
];

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')}: ${stderr}`);
}

function mount(...args: readonly string[]): void {
  run('mount', ...args);
}

/** Puts a directory where this computer may have none: over a layer above it, in which nothing reaches this computer. */
function overlay(path: string): void {
  const [upper, work] = ['upper', 'work'].map((name) => {
    const made = join(directory, `${name}${path.replaceAll('/', '-')}`);
    mkdirSync(made, { recursive: true });
    return made;
  });
  mount(
    '-t',
    'overlay',
    '-o',
    `lowerdir=${path},upperdir=${upper ?? ''},workdir=${work ?? ''}`,
    'overlay',
    path,
  );
}

const root = join(directory, 'root');
mkdirSync(root);
const kernel = fileKernel(setting, root, ['/sys', '/dev', '/lib/modules', ...PROC]);
modulesOfADistribution(join(root, 'lib/modules'));

// What programs need of a real /dev, and what measures them of a real /sys.
for (const node of ['null', 'zero', 'full', 'random', 'urandom', 'tty'])
  run('cp', '-a', `/dev/${node}`, join(root, 'dev'));
mkdirSync(join(root, 'dev/shm'));
mount('--bind', '/dev/shm', join(root, 'dev/shm'));
mkdirSync(join(root, 'sys/fs/cgroup'), { recursive: true });
mount('--rbind', '/sys/fs/cgroup', join(root, 'sys/fs/cgroup'));

const attributes = join(directory, 'attributes');
mkdirSync(attributes);
const { fd, serve } = serveFiles(kernel.attributes.map(({ file }) => file));
const fuse = spawnSync(
  'mount',
  ['-i', '-t', 'fuse', '-o', 'fd=3,rootmode=40000,user_id=0,group_id=0', 'vfio-hook-bench', attributes],
  { stdio: ['ignore', 'inherit', 'inherit', fd] },
);
if (fuse.status !== 0) throw new Error('cannot mount FUSE');
serve();

const table = join(directory, 'fstab');
writeFileSync(
  table,
  kernel.attributes
    .map(({ path }, index) => `${join(attributes, String(index))} ${join(root, path)} none bind 0 0\n`)
    .join(''),
);

/** Asynchronous, since this process has to answer what mount(8) asks of the files. */
async function mountAttributes(): Promise<void> {
  const { spawn } = await import('node:child_process');
  const child = spawn('mount', ['-a', '-T', table], { stdio: 'inherit' });
  const status = await new Promise((resolve) => child.on('close', resolve));
  if (status !== 0) throw new Error('cannot mount the attributes');
}

await mountAttributes();
if (!existsSync('/lib/modules')) overlay('/usr/lib');
mkdirSync('/lib/modules', { recursive: true });
overlay('/etc');
for (const place of ['run', 'etc']) mkdirSync(join(directory, place), { recursive: true });
mkdirSync('/etc/vfio-hook', { recursive: true });
mount('--bind', join(directory, 'etc'), '/etc/vfio-hook');
mount('--bind', join(directory, 'run'), '/run');
mount('--bind', join(root, 'lib/modules'), '/lib/modules');
for (const path of PROC)
  if (existsSync(join(root, path)) && existsSync(path)) mount('--bind', join(root, path), path);
mount('--rbind', join(root, 'sys'), '/sys');
mount('--rbind', join(root, 'dev'), '/dev');
console.log('ready');
// A read of /dev/fuse is always under way, which no other end than this waits for.
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume();
