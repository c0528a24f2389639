import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { ControlGroup } from './control-group.ts';
import type { Form } from './scene.ts';

/** What one run of a form took. */
export interface Sample {
  readonly wallMs: number;
  /** User and system time of all processes; without a control group, of those that were waited for. */
  readonly cpuMs: number;
}

/**
 * All that a measured process gets, as from libvirt. NODE_EXTRA_CA_CERTS alone makes a bare Node three times
 * slower, and every ratio to it flattering.
 */
export const environment = { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

/**
 * A shell of bash joins the control group, reads the clock and becomes the form; another one waits for it, reads the clock
 * again, and knows the processor time of children that were waited for, which Node cannot ask for. Descriptor 3 gets
 * the two times in seconds, then the own and the children's user and system time.
 */
const stopwatch = `
group=$1
shift
(
  [ -z "$group" ] || echo 0 > "$group/cgroup.procs"
  printf '%s ' "$EPOCHREALTIME" >&3
  exec "$@" 3>&-
)
status=$?
printf '%s ' "$EPOCHREALTIME" >&3
times >&3
exit $status
`;

/** Names of the variables that a measured process finds, those of its shell among them. */
export function environmentSeen(): string[] {
  const [program, args] = commandOf({ command: [process.execPath, '-p', 'Object.keys(process.env).join()'] });
  const { stdout } = spawnSync(program, args, {
    env: environment,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  });
  return stdout.trim().split(',').sort();
}

/** Runs a form once. Throws when the form fails: a failing run is fast. */
export async function measure(form: Form, group: ControlGroup | undefined): Promise<Sample> {
  await form.before?.();
  const before = await group?.usedWhenEmpty();
  const [began = '', over = '', , , user = '', system = ''] = (await ended(form, start(form, group))).split(
    /\s+/,
  );
  const after = await group?.usedWhenEmpty();
  await form.after?.();
  return {
    wallMs: (Number(over) - Number(began)) * 1000,
    cpuMs:
      before === undefined || after === undefined
        ? milliseconds(user) + milliseconds(system)
        : (after - before) / 1000,
  };
}

/** The largest resident set of a form's processes, in KiB. Looks at them all the time, so that nothing else is measured. */
export async function measurePeak(form: Form): Promise<number> {
  await form.before?.();
  const child = start(form, undefined);
  let isOver = false;
  let peakKib = 0;
  const watch = (): void => {
    if (isOver) return;
    peakKib = Math.max(peakKib, ...childrenOf(child.pid ?? -1).map(highWater));
    setImmediate(watch);
  };
  watch();
  await ended(form, child);
  isOver = true;
  await form.after?.();
  return peakKib;
}

function start(form: Form, group: ControlGroup | undefined): ReturnType<typeof spawn> {
  const [program, args] = commandOf(form, group);
  return spawn(program, args, { env: environment, cwd: '/', stdio: ['pipe', 'ignore', 'pipe', 'pipe'] });
}

/** bash takes a socket on stdin, which is what Node makes, for a remote login, hence --norc. */
function commandOf(
  { command, enter }: Pick<Form, 'command' | 'enter'>,
  group?: ControlGroup,
): [program: string, args: string[]] {
  const bash = ['bash', '--norc', '-c', stopwatch, 'bash', group?.directory ?? ''];
  const [program = '', ...args] = [...(enter ?? []), ...bash, ...command];
  return [program, args];
}

/** What it wrote to descriptor 3, once it has ended well. */
async function ended(form: Form, child: ReturnType<typeof spawn>): Promise<string> {
  const said = { errors: '', figures: '' };
  child.stderr?.on('data', (data: Buffer) => (said.errors += data.toString()));
  child.stdio[3]?.on('data', (data: Buffer) => (said.figures += data.toString()));
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(form.stdin);
  const status = await new Promise<number>((resolve) => {
    child.on('close', (code) => {
      resolve(code ?? -1);
    });
  });
  if (status !== 0) throw new Error(`${form.name}: exit status ${status}: ${said.errors}`);
  return said.figures;
}

/** `0m1.234s`, as bash's `times` prints it. */
function milliseconds(text: string): number {
  const [minutes = '0', seconds = '0'] = text.replace('s', '').split('m');
  return (Number(minutes) * 60 + Number(seconds)) * 1000;
}

/** The children of bash: it runs the form as a child, which sh and Node then take over by exec. */
function childrenOf(pid: number): number[] {
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
