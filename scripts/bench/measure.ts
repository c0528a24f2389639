import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Form } from './forms.ts';

/** What one run of a form took. */
export interface Sample {
  readonly wallMs: number;
  /** User and system time of the process and of those it waited for. */
  readonly cpuMs: number;
  /** Largest resident set seen, in KiB. */
  readonly peakKib: number;
}

/**
 * All that a measured process gets, as from libvirt. NODE_EXTRA_CA_CERTS alone makes a bare Node three times
 * slower, and every ratio to it flattering.
 */
export const environment = { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

/**
 * bash runs the form, reads the clock before and after it, and knows its processor time, which Node cannot ask
 * for of its children. Prints: microseconds, then its own and its children's user and system time.
 */
const stopwatch = `
exec 3>/dev/null
began=$EPOCHREALTIME
"$@" 2>&3
status=$?
ended=$EPOCHREALTIME
echo $(( \${ended/[.,]/} - \${began/[.,]/} )) >&2
times >&2
exit $status
`;

/**
 * Runs a form once. Throws when the form fails: a failing run is fast. bash takes a socket on stdin, which is
 * what Node makes, for a remote login, hence --norc.
 */
export async function measure(form: Form): Promise<Sample> {
  form.before?.();
  const child = spawn('bash', ['--norc', '-c', stopwatch, 'bash', ...form.command], {
    env: environment,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let said = '';
  let ended = false;
  child.stderr.on('data', (data: Buffer) => (said += data.toString()));
  child.stdin.on('error', () => undefined);
  child.stdin.end(form.stdin);
  const status = new Promise<number>((resolve) => {
    child.on('close', (code) => {
      ended = true;
      resolve(code ?? -1);
    });
  });
  let peakKib = 0;
  const watch = (): void => {
    if (ended) return;
    peakKib = Math.max(peakKib, ...descendants(child.pid ?? -1).map(highWater));
    setImmediate(watch);
  };
  watch();
  const code = await status;
  if (code !== 0) throw new Error(`${form.name}: exit status ${code}: ${said}`);
  const [micros = '', , , user = '', system = ''] = said.trim().split(/\s+/);
  return { wallMs: Number(micros) / 1000, cpuMs: milliseconds(user) + milliseconds(system), peakKib };
}

/** `0m1.234s`, as bash's `times` prints it. */
function milliseconds(text: string): number {
  const [minutes = '0', seconds = '0'] = text.replace('s', '').split('m');
  return (Number(minutes) * 60 + Number(seconds)) * 1000;
}

/** The children of bash: it runs the form as a child, which sh and Node then take over by exec. */
function descendants(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function highWater(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
