import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
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
  readonly stop: () => void;
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

/** Starts a host of plain files. All that it makes lies below `directory`, and is mounted where nobody else sees it. */
export async function startPlainHost(setting: Setting, directory: string): Promise<PlainHost> {
  mkdirSync(directory);
  const file = join(directory, 'setting.json');
  writeFileSync(file, JSON.stringify(setting));
  const child = spawn(
    'unshare',
    [
      '--mount',
      ...(setting.network ? ['--net'] : []),
      process.execPath,
      '--import',
      'tsx',
      resolve('scripts/bench/files/serve.ts'),
      file,
      directory,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const { pid } = child;
  const namespaces = `/proc/${pid ?? 0}/ns`;
  await new Promise<void>((ready, failed) => {
    child.on('error', failed);
    child.on('exit', (status) => {
      failed(new Error(`the host of plain files ended with status ${status ?? 'none'}`));
    });
    child.stdout.once('data', () => {
      ready();
    });
  });
  return {
    enter: [
      'nsenter',
      `--mount=${namespaces}/mnt`,
      ...(setting.network ? [`--net=${namespaces}/net`] : []),
      '--',
    ],
    stateDirectory: join(directory, 'run/vfio-hook'),
    configDirectory: join(directory, 'etc'),
    stop: () => {
      child.kill('SIGKILL');
    },
  };
}
