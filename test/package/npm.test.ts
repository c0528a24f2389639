import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { callHook, choose, repository, staleness, temporaryDirectory } from '../hook/compiled.ts';

interface Manifest {
  readonly version: string;
  readonly files: readonly string[];
  readonly dependencies?: unknown;
}

const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as Manifest;

describe('the package for npm', () => {
  let work: string;
  let installed: string;
  let command: string;

  /** npm, with nothing of whoever runs the tests: no settings, no cache, no registry. */
  function npm(...args: readonly string[]): string {
    const home = join(work, 'home');
    mkdirSync(home, { recursive: true });
    const env = { PATH: process.env['PATH'], HOME: home, npm_config_cache: join(home, 'cache') };
    const quiet = ['--offline', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];
    return execFileSync('npm', [...args, ...quiet], { cwd: repository, env, encoding: 'utf8' });
  }

  before(function () {
    assert.equal(staleness(repository), undefined);
    work = temporaryDirectory();
    // npm's own newest version does not start on the oldest Node that the hook runs on.
    if (spawnSync('npm', ['--version']).status !== 0) {
      console.warn('      skipped: there is no npm that runs on this Node.js');
      this.skip();
    }
    npm('pack', '--ignore-scripts', '--pack-destination', work);
    const prefix = join(work, 'prefix');
    npm('install', '--global', '--prefix', prefix, join(work, `vfio-hook-${manifest.version}.tgz`));
    installed = join(prefix, 'lib/node_modules/vfio-hook');
    command = join(prefix, 'bin/vfio-hook');
    // The Node of these tests may lie where the hook looks for none.
    const launcher = join(installed, 'dist/vfio-hook');
    writeFileSync(launcher, choose(process.execPath)(readFileSync(launcher, 'utf8')));
  });

  it('is built before it is packed', () => {
    const { scripts } = manifest as unknown as { readonly scripts: Readonly<Record<string, string>> };
    assert.match(scripts['prepack'] ?? '', /^npm run (--silent )?build$/);
  });

  it('brings no other package', () => {
    assert.deepEqual(readdirSync(join(installed, '..')), ['vfio-hook']);
    assert.equal(existsSync(join(installed, 'node_modules')), false);
  });

  it('has all that is published, what to do about a security problem and the licences among it', () => {
    const others = ['package.json', 'README.md', 'LICENSE', 'SECURITY.md', 'dist/THIRD-PARTY-LICENCES.txt'];
    const isLeftOut = (path: string): boolean => path.startsWith('!');
    for (const path of [...manifest.files, ...others].filter((each) => !isLeftOut(each)))
      assert.ok(existsSync(join(installed, path)), path);
    const leftOut = manifest.files.filter(isLeftOut).map((path) => path.slice(1));
    for (const path of [...leftOut, 'src', 'test', 'scripts', 'package-lock.json'])
      assert.equal(existsSync(join(installed, path)), false, path);
  });

  it('has a command that works by the link that npm makes, with Node.js alone', () => {
    assert.equal(readlinkSync(command), '../lib/node_modules/vfio-hook/dist/vfio-hook');
    const version = callHook(['--version'], { program: command });
    assert.deepEqual(version, {
      status: 0,
      signal: null,
      stdout: `vfio-hook ${manifest.version}\n`,
      stderr: '',
    });
    const help = callHook(['groups', '--help'], { program: command });
    assert.deepEqual([help.status, help.stderr], [0, '']);
    assert.match(help.stdout, /^Usage: vfio-hook groups/m);
  });
});
