import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Setting } from './kernel.ts';

/** A host of plain files that runs. */
export interface PlainHost {
  /** Put before a command, it runs there. */
  readonly enter: readonly [string, ...string[]];
  /** What stands there as /run/vfio-hook. */
  readonly stateDirectory: string;
  /** What stands there as /etc/vfio-hook. */
  readonly configDirectory: string;
  readonly stop: () => Promise<void>;
}

/** Programs that it is made with. */
const PROGRAMS = ['unshare', 'nsenter', 'mount', 'perl'];

/** Why there can be no such host here, in words; undefined when there can. */
export function whyNoPlainHost(): string | undefined {
  if (process.geteuid?.() !== 0) return 'only root can mount files over /sys';
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse';
  const missing = PROGRAMS.filter((program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).error);
  return missing.length > 0 ? `there is no ${missing.join(', ')}` : undefined;
}

/**
 * Starts a host of plain files, with no processes but its own. All that it makes lies below `directory`, and is mounted where nobody
 * else sees it.
 */
export async function startPlainHost(setting: Setting, directory: string): Promise<PlainHost> {
  mkdirSync(directory);
  const file = join(directory, 'setting.json');
  writeFileSync(file, JSON.stringify(setting));
  const network = setting.network !== undefined;
  const child = spawn(
    'unshare',
    [
      ...['--mount', '--pid', '--fork', '--mount-proc', ...(network ? ['--net'] : [])],
      // The first process of a namespace cannot end itself, but the namespace ends with it.
      ...['sh', '-c', 'exec 3<&0; "$@" <&3 & wait', 'sh'],
      ...[process.execPath, '--import', 'tsx', resolve('scripts/bench/files/serve.ts'), file, directory],
      ...['mnt', 'net'].map((name) => readlinkSync(`/proc/self/ns/${name}`)),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const namespaces = `/proc/${child.pid ?? 0}/ns`;
  const ended = new Promise<number>((resolve) => {
    child.on('exit', (status) => {
      resolve(status ?? -1);
    });
  });
  await new Promise<void>((ready, failed) => {
    child.on('error', failed);
    void ended.then((status) => {
      failed(new Error(`the host of plain files ended with status ${status}`));
    });
    child.stdout.once('data', () => {
      ready();
    });
  });
  return {
    // Without a fork bash stays outside, and what it starts is within.
    enter: [
      'nsenter',
      '--no-fork',
      `--mount=${namespaces}/mnt`,
      `--pid=${namespaces}/pid_for_children`,
      ...(network ? [`--net=${namespaces}/net`] : []),
      '--',
    ],
    stateDirectory: join(directory, 'run/vfio-hook'),
    configDirectory: join(directory, 'etc'),
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
