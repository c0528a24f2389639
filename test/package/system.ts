import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DATE } from './packages.ts';
import { makeRelease, type Release } from '../../scripts/package/release.ts';

/** What maintainer scripts run, each as this machine has it. */
const PROGRAMS = [
  ...['bash', 'sh', 'cat', 'dirname', 'flock', 'grep', 'head', 'ln', 'ls', 'mkdir', 'paste', 'readlink'],
  ...['rm', 'rmdir', 'sed', 'sort', 'touch'],
];

export interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Whether a program can be started. */
export function has(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

/** Ends a test, or from `before` all of its suite, as pending, with the reason in the titles. */
export function skip(context: Mocha.Context, why: string): never {
  const note = (test: Mocha.Runnable): void => {
    test.title += ` (skipped: ${why})`;
  };
  const { test } = context;
  // In a hook, `test` is that hook.
  if (test?.parent?.tests.some((each) => each === test) === true) note(test);
  else test?.parent?.eachTest(note);
  return context.skip();
}

/** A release of what is built, and others of the same files that say that they are of another version. */
export function releases(): { release: (version?: string) => Release; remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'vfio-hook-package-'));
  // Some tools work as another user than root only.
  chmodSync(directory, 0o755);
  let count = 0;
  return {
    release: (version) => {
      count += 1;
      const [out, work] = [join(directory, `out-${count}`), join(directory, `work-${count}`)];
      for (const path of [out, work]) mkdirSync(path);
      const own = makeRelease(out, work, DATE);
      if (version === undefined) return own;
      const tree = join(work, `vfio-hook-${version}`);
      cpSync(own.tree, tree, { recursive: true });
      rmSync(own.tarball);
      const tarball = join(out, `vfio-hook-${version}.tar.gz`);
      execFileSync('tar', ['-czf', tarball, '-C', work, `vfio-hook-${version}`]);
      return { ...own, version, tree, tarball };
    },
    remove: () => {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A root directory with just enough in it for maintainer scripts, in which nothing of this machine can be changed. */
export class System {
  readonly root = mkdtempSync(join(tmpdir(), 'vfio-hook-root-'));

  /** `layout`: directories, and links where it says what they lead to; `more`: programs besides the usual ones. */
  constructor(
    layout: Readonly<Record<string, string | null>> = { 'usr/sbin': null },
    more: readonly string[] = [],
  ) {
    for (const path of [
      'usr/bin',
      'usr/lib',
      'usr/lib64',
      'etc/libvirt/hooks',
      'var/lib',
      'run',
      'tmp',
      'dev',
    ])
      mkdirSync(join(this.root, path), { recursive: true });
    const merged: Readonly<Record<string, string | null>> = {
      bin: 'usr/bin',
      lib: 'usr/lib',
      lib64: 'usr/lib64',
      ...layout,
    };
    for (const [path, target] of Object.entries(merged)) {
      if (target === null) mkdirSync(join(this.root, path), { recursive: true });
      else symlinkSync(target, join(this.root, path));
    }
    writeFileSync(join(this.root, 'dev/null'), '');
    for (const program of [...PROGRAMS, ...more]) this.add(program);
  }

  /** Puts a program of this machine there, with the libraries that it loads. */
  private add(program: string): void {
    const path = realpathSync(
      execFileSync('sh', ['-c', `command -v ${program}`], {
        encoding: 'utf8',
        env: { PATH: '/usr/bin:/bin:/usr/sbin' },
      }).trim(),
    );
    copyFileSync(path, join(this.root, 'usr/bin', basename(program)));
    chmodSync(join(this.root, 'usr/bin', basename(program)), 0o755);
    const { stdout } = spawnSync('ldd', [path], { encoding: 'utf8' });
    for (const [library] of stdout.matchAll(/\/\S+/g)) {
      const to = join(this.root, library);
      mkdirSync(dirname(to), { recursive: true });
      if (!existsSync(to)) copyFileSync(realpathSync(library), to);
    }
  }

  path(path: string): string {
    return join(this.root, path);
  }

  write(path: string, text: string, mode = 0o644): void {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), text);
    chmodSync(this.path(path), mode);
  }

  read(path: string): string {
    return readFileSync(this.path(path), 'utf8');
  }

  /** Where a link leads; undefined when there is none. */
  link(path: string): string | undefined {
    if (!this.exists(path)) return undefined;
    return lstatSync(this.path(path)).isSymbolicLink() ? readlinkSync(this.path(path)) : undefined;
  }

  exists(path: string): boolean {
    return lstatSync(this.path(path), { throwIfNoEntry: false }) !== undefined;
  }

  /** All paths below the root whose name has this text, in order. */
  named(text: string): string[] {
    return readdirSync(this.root, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.slice(path.lastIndexOf('/') + 1).includes(text))
      .sort();
  }

  /** A claim of a guest, as the program of this version writes it. */
  claim(version: number): void {
    this.write(
      'run/vfio-hook/claims/c2177883-f1bb-47f0-914d-32a22e3a8804.json',
      `{\n  "version": ${version}\n}\n`,
      0o600,
    );
  }

  release(): void {
    rmSync(this.path('run/vfio-hook/claims'), { recursive: true });
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Runs a program, with nothing of this environment but where programs are. */
export function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; uid?: number; input?: string } = {},
): Outcome {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    ...options,
    ...(options.uid !== undefined && { gid: options.uid }),
    encoding: 'utf8',
    env: { PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', HOME: options.cwd ?? '/' },
    maxBuffer: 1 << 26,
  });
  return { status, out: stdout, err: error === undefined ? stderr : error.message };
}

/** As {@link run}, for what must succeed; returns what was printed. */
export function succeed(...call: Parameters<typeof run>): string {
  const { status, out, err } = run(...call);
  assert.equal(status, 0, `${call[0]} ${call[1].join(' ')}: ${out}${err}`);
  return out;
}

/** What is built has names with a version and a hash: the same text for every one of them. */
export function withoutHash(text: string): string {
  return text.replace(/\/\d+\.\d+\.\d+-[0-9a-f]{8}(?=[/\s])/g, '/PARTS');
}
