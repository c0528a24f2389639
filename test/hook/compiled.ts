import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's directory. */
export const repository = fileURLToPath(new URL('../..', import.meta.url));

/** What the compiled files are made of. */
const SOURCES = ['src', 'simulator', 'hooks', 'scripts/build.ts', 'package.json'];

/** What libvirt gives its hooks (src/util/vircommand.c:virCommandAddEnvPassCommon), and nothing else. */
export const BARE_ENVIRONMENT: Readonly<Record<string, string>> = { LC_ALL: 'C', PATH: '/bin:/usr/bin' };

/** What somebody at a terminal has. */
export const TERMINAL_ENVIRONMENT: Readonly<Record<string, string>> = {
  LC_ALL: 'C.UTF-8',
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
};

function environmentFor(program: string): Readonly<Record<string, string>> {
  return basename(program) === 'vfio-hook' ? TERMINAL_ENVIRONMENT : BARE_ENVIRONMENT;
}

/** Seconds after which a call counts as hanging: a call takes a tenth of a second. */
const PATIENCE_MS = 20_000;

/** The compiled files, put where a test can change them. */
export interface Installation {
  readonly directory: string;
  /** The link `qemu`, as in /etc/libvirt/hooks. */
  readonly hook: string;
  /** The launcher `vfio-hook` that it leads to. */
  readonly command: string;
  /** What the launcher starts Node with. */
  readonly program: string;
}

/** A call that has ended. */
export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a call gets besides its arguments. */
export interface CallOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  /** Whom to call instead of the hook of {@link installation}. */
  readonly program?: string;
}

/** Why dist/ cannot be tested; undefined when it is newer than everything it is made of. */
export function staleness(root: string): string | undefined {
  const again = 'build it with: npm run build';
  const built = modified(join(root, 'dist/vfio-hook'));
  if (built === undefined) return `there is no dist/vfio-hook; ${again}`;
  for (const source of SOURCES.flatMap((path) => filesBelow(join(root, path)))) {
    if ((modified(source) ?? 0) > built)
      return `dist/ is older than ${source.slice(root.length).replace(/^\//, '')}; ${again}`;
  }
  return undefined;
}

function modified(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

function filesBelow(path: string): string[] {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => filesBelow(join(path, name)));
}

let installed: Installation | undefined;

/**
 * A copy of dist/ with the Node that runs the tests as the chosen one, as install.sh would write it. Made
 * once. Fails when there is nothing built, or when it is older than the source.
 */
export function installation(): Installation {
  installed ??= install({ launcher: choose(process.execPath) });
  return installed;
}

/** Makes a Node the one that install.sh chose, in the launcher's text. */
export function choose(node: string): (launcher: string) => string {
  return (launcher) => launcher.replace("chosen_node=''", `chosen_node='${node}'`);
}

/** The hook's own code, below dist/. */
export function codeOf(dist: string): string[] {
  const [, parts = ''] = /^\/\/ parts: (.+)$/m.exec(readFileSync(join(dist, 'hook.cjs'), 'utf8')) ?? [];
  return [join(dist, 'hook.cjs'), join(dist, parts, 'main.cjs')];
}

/**
 * A copy of dist/ of its own, the text of the launcher changed, and that of the hook's own code. It keeps what it compiles
 * beside itself, since what is at this place of the host belongs to what is installed there.
 */
export function install(change: {
  readonly launcher: (text: string) => string;
  readonly program?: (text: string) => string;
}): Installation {
  const stale = staleness(repository);
  assert.equal(stale, undefined, stale);
  const directory = temporaryDirectory();
  const dist = join(directory, 'dist');
  cpSync(join(repository, 'dist'), dist, { recursive: true });
  const command = join(dist, 'vfio-hook');
  const program = join(dist, 'hook.cjs');
  rewrite(command, change.launcher);
  rewrite(program, (text) => text.replace('/var/cache/vfio-hook', join(directory, 'cache')));
  for (const path of change.program ? codeOf(dist) : []) {
    writeFileSync(path, change.program?.(readFileSync(path, 'utf8')) ?? '');
  }
  const hook = join(directory, 'qemu');
  symlinkSync(command, hook);
  return { directory, hook, command, program };
}

function rewrite(path: string, change: (text: string) => string): void {
  const before = readFileSync(path, 'utf8');
  const after = change(before);
  assert.notEqual(after, before, `${path} does not hold what was to be changed`);
  writeFileSync(path, after);
}

const temporary: string[] = [];

/** A directory that is gone when the tests are over. */
export function temporaryDirectory(parent = tmpdir()): string {
  if (temporary.length === 0) {
    process.once('exit', () => {
      for (const directory of temporary) rmSync(directory, { recursive: true, force: true });
    });
  }
  const directory = mkdtempSync(join(parent, 'vfio-hook-test-'));
  temporary.push(directory);
  return directory;
}

/**
 * A directory for what root is to run: nobody but root can put another file there. To others the launcher is not
 * so strict, and any directory does. Not below /run, where many hosts allow no programs.
 */
export function directoryOfPrograms(): string {
  return temporaryDirectory(process.geteuid?.() === 0 ? '/var/lib' : tmpdir());
}

/** Calls the hook as libvirt does, with these arguments, and waits for its end. */
export function callHook(args: readonly string[], options: CallOptions = {}): Ended {
  const { input = '', uid, program = installation().hook } = options;
  const { env = environmentFor(program) } = options;
  const result = spawnSync(program, args, {
    cwd: '/',
    env,
    input,
    encoding: 'utf8',
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
    maxBuffer: 2 ** 26,
    ...(uid !== undefined && { uid, gid: uid }),
  });
  const code = (result.error as NodeJS.ErrnoException | undefined)?.code;
  // Not reading the XML is fine, and libvirt ignores EPIPE on it as well.
  if (result.error && code !== 'EPIPE') throw result.error;
  return { status: result.status, signal: result.signal, stdout: result.stdout, stderr: result.stderr };
}

/** A call that goes on beside the test. */
export interface Running {
  readonly process: ChildProcess;
  /** Its end, when its pipes are closed too: what libvirt waits for. */
  readonly ended: Promise<Ended>;
}

/** Begins a call. */
export function startHook(args: readonly string[], options: CallOptions = {}): Running {
  const { input = '', program = installation().hook } = options;
  const { env = environmentFor(program) } = options;
  const child = spawn(program, args, { cwd: '/', env, stdio: 'pipe' });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (texts[name] += text));
  }
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const ended = new Promise<Ended>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`the call did not end: ${args.join(' ')}`));
    }, PATIENCE_MS);
    child.on('error', reject);
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      resolve({ status, signal, ...texts });
    });
  });
  return { process: child, ended };
}

/** The text of an example: `domains/windows-11-rx7900xtx.xml`. */
export function example(path: string): string {
  return readFileSync(join(repository, 'examples', path), 'utf8');
}

/** A fresh directory inside another one. */
export function freshDirectory(parent: string, name: string): string {
  const path = join(parent, name);
  mkdirSync(path, { recursive: true });
  return path;
}
