/*
 * The release: what `npm run build` has made with install.sh and all that it installs, in one directory and as a tarball. Each
 * package is made from it, by its install.sh.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a package is made of. */
export interface Release {
  readonly version: string;
  /** Seconds since 1970 that every file of a package is dated: SOURCE_DATE_EPOCH (reproducible-builds.org). */
  readonly epoch: number;
  /** The oldest Node.js that the program runs on: `18.19`. */
  readonly floor: string;
  /** The release, unpacked: a directory `vfio-hook-VERSION`. */
  readonly tree: string;
  /** The same as `vfio-hook-VERSION.tar.gz`. */
  readonly tarball: string;
  /** Where finished packages go. */
  readonly out: string;
  /** A directory for what is on the way, which is empty at first and is removed. */
  readonly work: string;
}

/** Makes the files of one package in `release.out`; returns their paths. */
export type Format = (release: Release) => readonly string[];

interface Manifest {
  readonly version: string;
  readonly files: readonly string[];
  readonly engines: { readonly node: string };
}

function manifestOf(project: string): Manifest {
  return JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as Manifest;
}

/** Copies what npm publishes of a project that is built, and no more: a file that its list lacks is in no package. */
export function copyPublished(project: string, target: string): void {
  // The first three are published without being listed; an entry with "!" takes something out, here other packages.
  const entries = ['package.json', 'README.md', 'LICENSE', ...manifestOf(project).files];
  for (const entry of entries.filter((each) => !each.startsWith('!'))) {
    cpSync(join(project, entry), join(target, entry), {
      recursive: true,
      filter: (path) => path !== join(project, 'dist/packages'),
    });
  }
}

/** Lays out the release below `work` and packs it into `out`. */
export function makeRelease(out: string, work: string, epoch: number): Release {
  const { version, engines } = manifestOf('.');
  const name = `vfio-hook-${version}`;
  const tree = join(work, name);
  copyPublished('.', tree);
  const tarball = join(out, `${name}.tar.gz`);
  pack(work, name, tarball, epoch);
  return { version, epoch, floor: engines.node.replace('>=', ''), tree, tarball, out, work };
}

/** Packs a directory, the same bytes each time: names in order, root's, of one date, and no date in the compression. */
function pack(directory: string, name: string, tarball: string, epoch: number): void {
  const tar = tarball.replace(/\.gz$/, '');
  const fixed = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', `--mtime=@${epoch}`];
  run('tar', [...fixed, '--mode=u+rwX,go+rX,go-w', '--format=ustar', '-cf', tar, '-C', directory, name]);
  run('gzip', ['-9nf', tar]);
}

/** The files of a package below a directory of their own, put there by install.sh of the release; returns the directory. */
export function stage(
  { tree, work }: Release,
  format: string,
  settings: Readonly<Record<string, string>>,
  directories: readonly string[] = [],
): string {
  const root = join(work, format);
  for (const directory of ['', ...directories]) mkdirSync(join(root, directory), { recursive: true });
  run('sh', [join(tree, 'install.sh'), '--files'], { DESTDIR: root, ...settings });
  return root;
}

/** Runs a program with nothing of this environment but PATH. Its output is shown when it fails. */
export function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = '.',
): string {
  return execFileSync(program, args, {
    cwd,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 28,
  });
}

/** The date of a release: what the environment says, or else the last commit's. */
export function dateOfRelease(): number {
  const said = process.env['SOURCE_DATE_EPOCH'];
  if (said !== undefined) {
    if (!/^\d{1,12}$/.test(said)) throw new Error(`SOURCE_DATE_EPOCH is no number of seconds: ${said}`);
    return Number(said);
  }
  if (!existsSync('.git'))
    throw new Error('no date for the packages: set SOURCE_DATE_EPOCH, in seconds since 1970');
  return Number(run('git', ['log', '-1', '--format=%ct']));
}
