/**
 * A host of plain files, for the compiled hook as it is installed: in a mount namespace of its own this process puts a
 * simulated machine's tree over /sys, /dev, /run and what else the hook reads, and serves what is written to. Called by
 * plain-host.ts through unshare(1), with the file that has the setting, a directory that it may fill, and the caller's
 * namespaces. Prints `ready`, and ends with its standard input.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { unescapeMountText } from '../../../src/observe/uses/mounts.ts';
import { serveFiles } from './fuse.ts';
import { startJournal } from './journal.ts';
import { fileKernel, type Setting } from './kernel.ts';
import { modulesOfADistribution } from './modules.ts';
import { startNetwork } from './network.ts';
import { run, runBeside } from './system.ts';

const [, , settingFile = '', directory = '', callersMounts, callersNetwork] = process.argv;
if (callersMounts === undefined || callersNetwork === undefined) throw new Error('see plain-host.ts');
const setting = JSON.parse(readFileSync(settingFile, 'utf8')) as Setting;

/** Files of /proc that tell of the machine. All others are those of this computer. */
const PROC = [
  '/proc/cmdline',
  '/proc/interrupts',
  '/proc/swaps',
  '/proc/sys/kernel/osrelease',
  '/proc/bus/input/devices',
];

/** Else all of this would come over the /sys of this computer, and a network card into its network. */
function refuseWithoutNamespaces(): void {
  const shared = [
    ...(readlinkSync('/proc/self/ns/mnt') === callersMounts ? ['mnt'] : []),
    ...(setting.network && readlinkSync('/proc/self/ns/net') === callersNetwork ? ['net'] : []),
  ];
  if (shared.length > 0) throw new Error(`call it through unshare: ${shared.join(', ')} is the caller's`);
}

function made(...names: readonly string[]): string {
  const path = join(directory, ...names);
  mkdirSync(path, { recursive: true });
  return path;
}

function bind(from: string, to: string): void {
  run('mount', '--rbind', from, to);
}

/** Lets directories be made that this computer may not have, in a layer that is only seen here. */
function overlay(path: string): void {
  const name = path.replaceAll('/', '-');
  const layers = `lowerdir=${path},upperdir=${made(`upper${name}`)},workdir=${made(`work${name}`)}`;
  run('mount', '-t', 'overlay', '-o', layers, 'overlay', path);
}

/** Written for several devices at once, so that each write is to have an inode of its own: see fuse.ts. */
function isOfDriver(path: string): boolean {
  return path.startsWith('/sys/bus/pci/drivers/');
}

/** Lays out everything. */
async function start(): Promise<void> {
  refuseWithoutNamespaces();
  const root = made('root');
  const kernel = fileKernel(setting, root, ['/sys', '/dev', '/lib/modules', ...PROC]);
  modulesOfADistribution(made('root/lib/modules'));

  // What programs need of a real /dev, and what is measured by of a real /sys.
  for (const node of ['null', 'zero', 'full', 'random', 'urandom', 'tty'])
    run('cp', '-a', `/dev/${node}`, made('root/dev'));
  bind('/dev/shm', made('root/dev/shm'));
  bind('/sys/fs/cgroup', made('root/sys/fs/cgroup'));
  await startJournal(join(root, 'dev/log'));

  const attributes = made('attributes');
  const { fd, serve } = serveFiles(kernel.attributes.map(({ file }) => file));
  const how = 'fd=3,rootmode=40000,user_id=0,group_id=0';
  const { status } = spawnSync('mount', ['-i', '-t', 'fuse', '-o', how, 'vfio-hook-bench', attributes], {
    stdio: ['ignore', 'ignore', 'inherit', fd],
  });
  if (status !== 0) throw new Error('FUSE cannot be mounted');
  serve();

  bind(attributes, made('root/dev/attributes'));
  for (const [index, { path }] of kernel.attributes.entries()) {
    if (!isOfDriver(path)) continue;
    rmSync(join(root, path));
    symlinkSync(`/dev/attributes/${index}`, join(root, path));
  }
  /** The machine's own table of mounts has nodes as sources, which a tmpfs can say, too. */
  const mounted = (setting.spec.files['/proc/self/mountinfo'] ?? '')
    .split('\n')
    .map((line) => unescapeMountText(line.split(' - ')[1]?.split(' ')[1] ?? ''))
    .filter((source) => source.startsWith('/dev/mapper/'));
  const table = join(directory, 'fstab');
  writeFileSync(
    table,
    [
      ...kernel.attributes.flatMap(({ path }, index) =>
        isOfDriver(path) ? [] : [`${join(attributes, String(index))} ${join(root, path)} none bind 0 0\n`],
      ),
      ...mounted.map((source, index) => `${source} ${made('mounted', String(index))} tmpfs size=4k 0 0\n`),
    ].join(''),
  );
  await runBeside('mount', '-a', '-T', table);

  overlay('/etc');
  if (!existsSync('/lib/modules')) overlay('/usr/lib');
  for (const path of ['/etc/vfio-hook', '/lib/modules']) mkdirSync(path, { recursive: true });
  bind(made('etc'), '/etc/vfio-hook');
  bind(made('run'), '/run');
  bind(made('log'), '/var/log');
  bind(made('cache'), '/var/cache');
  bind(join(root, 'lib/modules'), '/lib/modules');
  for (const path of PROC) if (existsSync(join(root, path)) && existsSync(path)) bind(join(root, path), path);
  bind(join(root, 'sys'), '/sys');
  bind(join(root, 'dev'), '/dev');
  if (setting.network) await startNetwork(setting.network);
  console.log('ready');
}

/** A read of /dev/fuse is always under way, and nothing else than this would end the process. */
function end(): void {
  process.kill(process.pid, 'SIGKILL');
}

process.stdin.on('end', end).resume();
try {
  await start();
} catch (error) {
  console.error(error);
  end();
}
