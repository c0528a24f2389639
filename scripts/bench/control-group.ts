import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A control group (version 2) in which measured calls run: it knows the processor time of everything that ran in it. */
export interface ControlGroup {
  readonly directory: string;
  /** Microseconds of user and system time of all processes that ever were in it, once none is left. */
  usedWhenEmpty(): Promise<number>;
  /** Ends what is left in it, too. */
  remove(): Promise<void>;
}

/** How long children that nobody waited for may go on, in milliseconds, and how often is looked whether they do. */
const LEFT_OVER_MS = 5000;
const LOOK_EVERY_MS = 1;

/** Makes one below the group of this process; undefined where there is no such file system, or it is not ours to use. */
export function makeControlGroup(): ControlGroup | undefined {
  const mounted = mountPointOf('cgroup2', readFileSync('/proc/self/mountinfo', 'utf8'));
  const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  if (mounted === undefined || own === undefined) return undefined;
  const directory = join(mounted, own, `vfio-hook-bench-${process.pid}`);
  try {
    mkdirSync(directory);
  } catch {
    return undefined;
  }
  return {
    directory,
    usedWhenEmpty: async () => {
      await emptied(directory);
      return Number(/^usage_usec (\d+)$/m.exec(readFileSync(join(directory, 'cpu.stat'), 'utf8'))?.[1]);
    },
    remove: async () => {
      // A run that failed may have left some. Before Linux 5.14 the file is not there, and they end by themselves.
      if (existsSync(join(directory, 'cgroup.kill'))) writeFileSync(join(directory, 'cgroup.kill'), '1');
      await emptied(directory);
      rmdirSync(directory);
    },
  };
}

async function emptied(directory: string): Promise<void> {
  const until = performance.now() + LEFT_OVER_MS;
  while (!isEmpty(directory)) {
    if (performance.now() > until) throw new Error('a process of the call does not end');
    await delay(LOOK_EVERY_MS);
  }
}

function isEmpty(directory: string): boolean {
  return /^populated 0$/m.test(readFileSync(join(directory, 'cgroup.events'), 'utf8'));
}

/** Where a file system of this type is mounted, by the text of mountinfo (proc(5)). */
export function mountPointOf(type: string, mountinfo: string): string | undefined {
  const fields = mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .find((each) => each[each.indexOf('-') + 1] === type);
  return fields?.[4];
}
