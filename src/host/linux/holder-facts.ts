import { readFileSync } from 'node:fs';
import type { Holder } from '../host.ts';
import { readProc, readProcLink, stateOf } from './processes.ts';

/**
 * Whether a process would act on what happens to a device that it holds: which program it is, and whether it is
 * halted. For the few processes that hold something; nothing here follows a link, so that no file server is waited for.
 */
export function holderFacts(pid: number): Pick<Holder, 'program' | 'halted'> {
  const program = programOf(pid);
  return { ...(program !== undefined && { program }), ...(isHalted(pid) && { halted: true }) };
}

/**
 * The file that a process runs. Only in the mounts of this process, or of the host's first one, is what has a path
 * below /usr put there by root: any user can have a mount namespace with another /usr (unshare(1)).
 */
function programOf(pid: number): string | undefined {
  const mounts = readProcLink(pid, 'ns/mnt');
  const hosts = (['self', 1] as const).map((host) => readProcLink(host, 'ns/mnt'));
  return mounts !== undefined && hosts.includes(mounts) ? readProcLink(pid, 'exe') : undefined;
}

function isHalted(pid: number): boolean {
  const state = stateOf(pid);
  // Stopped by a signal, stopped by a debugger (fs/proc/array.c:task_state_array).
  return state === 'T' || state === 't' || isFrozen(readProc(pid, 'cgroup') ?? '');
}

/** Whether its control group or one above is frozen: a frozen process still says that it sleeps. */
function isFrozen(cgroups: string): boolean {
  return cgroups.split('\n').some((line) => {
    const [number, controllers, ...path] = line.split(':');
    if (number === '0')
      return /^frozen 1$/m.test(text(`/sys/fs/cgroup${path.join(':')}/cgroup.events`) ?? '');
    if (controllers !== 'freezer') return false;
    return (text(`/sys/fs/cgroup/freezer${path.join(':')}/freezer.state`) ?? '').startsWith('FR');
  });
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
