import { execa } from 'execa';
import { childEnvironment } from '../child-environment.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { advice, type Hint } from '../hint.ts';
import { turn } from '../pause.ts';
import { shownPath } from '../text.ts';
import type { Script } from './script-tree.ts';

/** How a script is run. */
export interface ScriptCall {
  /** libvirt's four. */
  readonly args: readonly string[];
  /** What it gets in its environment besides what every child has. */
  readonly variables?: Readonly<Record<string, string>>;
  /** What it gets on stdin: the XML of the guest. */
  readonly input: string;
  /** Milliseconds after which it is ended, with all that it has started. */
  readonly deadlineMs: number;
  /** What it writes is not for the log but for libvirt: another XML. */
  readonly answers: boolean;
  /** Each line that it writes. */
  readonly line: (text: string) => void;
  /** Calls back when the hook is told to end; returns what calls that off. */
  readonly whenTold: WhenTold;
}

/** How to hear that the hook is told to end. */
export type WhenTold = (told: () => void) => () => void;

/** Lines of one script that reach the log: an endless one must not fill it. */
const MOST_LINES = 500;
/** Characters of a line without an end, and of an answer. */
const LONGEST_LINE = 4096;
const LONGEST_ANSWER = 16 * 2 ** 20;
/** How long a script that was told to end has for it, and the kernel then. */
const GRACE_MS = 3000;

/** How a script has ended. */
type End = { readonly status: number } | { readonly signal: string } | { readonly error: unknown };

/**
 * Runs a script to its end: as the usual dispatchers do with libvirt's arguments and the XML on stdin, but with a
 * session and a process group of its own, a fixed environment and `/` as its directory. No shell is involved but the one that
 * its first line names; a file without such a line is run by sh (execvp(3)). What it has left running in the background goes on, without anybody who reads what it
 * writes. Returns its answer. Throws VH_SCRIPT with its last words when it fails, is killed, or takes too long.
 */
export async function runScript(script: Script, call: ScriptCall): Promise<string> {
  const done = await tryScript(script.path, call);
  if ('answer' in done) return done.answer;
  const { why, hints, cause } = done;
  throw new VfioHookError('VH_SCRIPT', `the script ${shownPath(script.name)} ${why}`, {
    path: script.path,
    hints,
    ...(cause !== undefined && { cause }),
  });
}

/** What came of a script: its answer, or why it has not done its work (`failed with status 1: last words`). */
export type ScriptEnd =
  | { readonly answer: string }
  | { readonly why: string; readonly hints: readonly Hint[]; readonly cause?: unknown };

/** As {@link runScript}, for whoever says in words of his own what failed. */
export async function tryScript(path: string, call: ScriptCall): Promise<ScriptEnd> {
  const child = execa(path, [...call.args], {
    input: call.input,
    env: { ...childEnvironment, ...call.variables },
    extendEnv: false,
    cwd: '/',
    detached: true,
    buffer: false,
    reject: false,
    stripFinalNewline: false,
  });
  // It resolves once nobody has the pipes open any more, which may be long after the script has ended.
  void child.catch(() => undefined);
  const words = lines(call.line);
  const complaints = lines(words.line);
  let answer = '';
  let taken = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    taken += text.length;
    if (!call.answers) words.take(text);
    else if (answer.length <= LONGEST_ANSWER) answer += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    taken += text.length;
    complaints.take(text);
  });
  const exited = new Promise<End>((resolve) => {
    child.once('exit', (status, signal) => {
      resolve(signal === null ? { status: status ?? -1 } : { signal });
    });
    child.once('error', (error) => {
      resolve({ error });
    });
  });
  const late = await endedInTime(exited, child.pid, call);
  const end = late === undefined ? await exited : undefined;
  // What it wrote last is in the pipes; their ends may be others', who go on.
  for (let seen = -1; seen !== taken;) {
    seen = taken;
    await turn();
  }
  complaints.end();
  words.end();
  child.stdout.destroy();
  child.stderr.destroy();
  child.unref();
  const why = late ?? (end && failureOf(end));
  if (why === undefined) return { answer };
  const last = words.last();
  return {
    why: `${why}${last === '' ? '' : `: ${last}`}`,
    hints: [advice('what it wrote before is in the log: vfio-hook log'), ...hintsFor(end)],
    ...(end && 'error' in end && { cause: end.error }),
  };
}

/** Undefined once it has ended by itself; else why it was ended. */
async function endedInTime(
  exited: Promise<unknown>,
  pid: number | undefined,
  { deadlineMs, whenTold }: ScriptCall,
): Promise<string | undefined> {
  const first = await within(exited, deadlineMs, whenTold);
  if (first === 'done' || pid === undefined) return undefined;
  const why =
    first === 'late'
      ? `has taken longer than ${deadlineMs / 1000} s`
      : 'was ended, since the hook was told to end';
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    signalGroup(pid, signal);
    if ((await within(exited, GRACE_MS)) === 'done') return why;
  }
  return `${why}, and waits in the kernel`;
}

function within(
  exited: Promise<unknown>,
  milliseconds: number,
  whenTold?: WhenTold,
): Promise<'done' | 'late' | 'told'> {
  return new Promise((resolve) => {
    const settle = (how: 'done' | 'late' | 'told'): void => {
      clearTimeout(timer);
      callOff?.();
      resolve(how);
    };
    const timer = setTimeout(settle, milliseconds, 'late');
    const callOff = whenTold?.(() => {
      settle('told');
    });
    void exited.then(() => {
      settle('done');
    });
  });
}

/** The script and what it has started. A group that is gone is as good. */
function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

function failureOf(end: End): string | undefined {
  if ('signal' in end) return `was ended by ${end.signal}`;
  if ('error' in end) return `cannot be run (${errnoOf(end.error) ?? String(end.error)})`;
  return end.status === 0 ? undefined : `failed with status ${end.status}`;
}

const CANNOT_RUN: Readonly<Record<string, string>> = {
  ENOENT: 'the program that its first line names is not there',
};

function hintsFor(end: End | undefined): readonly Hint[] {
  const hint = end && 'error' in end ? CANNOT_RUN[errnoOf(end.error) ?? ''] : undefined;
  return hint === undefined ? [] : [advice(hint)];
}

interface Lines {
  readonly take: (text: string) => void;
  /** A whole line of another stream. */
  readonly line: (text: string) => void;
  readonly end: () => void;
  /** The last line that says something. */
  readonly last: () => string;
}

/** Cuts what a script writes into lines for the log. */
function lines(say: (line: string) => void): Lines {
  let rest = '';
  let count = 0;
  let last = '';
  const line = (text: string): void => {
    if (text.trim() === '') return;
    last = text.trim();
    count += 1;
    if (count <= MOST_LINES) say(text);
    else if (count === MOST_LINES + 1) say(`more than ${MOST_LINES} lines: the others are left out`);
  };
  return {
    line,
    take: (text) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) line(part);
      if (rest.length > LONGEST_LINE) {
        line(rest);
        rest = '';
      }
    },
    end: () => {
      if (rest !== '') line(rest);
      rest = '';
    },
    last: () => last,
  };
}
