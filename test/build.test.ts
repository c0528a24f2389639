import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { LIBVIRT, NODE_PLACES, PROGRAM_DIRECTORIES } from '../src/distribution.ts';
import { choose, install, repository, staleness, temporaryDirectory } from './hook/compiled.ts';
import { call, exampleGuest, stage } from './hook/stage.ts';
import { shells } from './hooks/launched.ts';

const built = join(repository, 'dist');

/** Builds into a fresh directory. */
function build(): string {
  const directory = join(temporaryDirectory(), 'dist');
  execFileSync(process.execPath, ['--import', 'tsx', 'scripts/build.ts', directory], { cwd: repository });
  return directory;
}

/** Every file below a directory with its text, by its path in there. */
function contents(directory: string, below = ''): Record<string, string> {
  const entries = readdirSync(join(directory, below), { withFileTypes: true }).filter(
    ({ name }) => join(below, name) !== 'packages',
  );
  return Object.assign(
    {},
    ...entries
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((entry) => {
        const path = join(below, entry.name);
        return entry.isDirectory()
          ? contents(directory, path)
          : { [path]: readFileSync(join(directory, path), 'latin1') };
      }),
  ) as Record<string, string>;
}

const PARTS = /^\d+\.\d+\.\d+-[0-9a-f]{8}$/;

/** The name of the directory of parts. */
function partsDirectory(directory: string): string {
  const [name, ...others] = readdirSync(directory).filter((entry) => PARTS.test(entry));
  assert.ok(name !== undefined && others.length === 0);
  return name;
}

describe('the build', () => {
  it('gives the same bytes each time, and those of dist/', () => {
    const [first, second] = [contents(build()), contents(build())];
    assert.deepEqual(Object.keys(first), Object.keys(second));
    for (const [name, text] of Object.entries(first)) {
      assert.ok(text === second[name], `${name} differs between two builds`);
      assert.ok(
        text === contents(built)[name],
        `dist/${name} is not what the source gives; build it with: npm run build`,
      );
    }
  });

  it('makes one executable file, the hook, and its parts in a directory of the version and their hash', () => {
    assert.equal(statSync(join(built, 'vfio-hook')).mode & 0o777, 0o755);
    const parts = ['cli', 'config', 'described', 'domain', 'log', 'main', 'scripts', 'simulated'].map(
      (part) => `${part}.cjs`,
    );
    assert.deepEqual(Object.keys(contents(built)), [
      ...parts.map((part) => join(partsDirectory(built), part)),
      'THIRD-PARTY-LICENCES.txt',
      'before-install.sh',
      'hook.cjs',
      'maintainer.sh',
      'only-root.sh',
      'sbom.cdx.json',
      'system.sh',
      'vfio-hook',
    ]);
    const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
      version: string;
    };
    assert.ok(partsDirectory(built).startsWith(`${version}-`));
    assert.ok(contents(built)['hook.cjs']?.startsWith(`// parts: ${partsDirectory(built)}\n`));
  });

  it('has what distributions change in its files of sh, and nothing that waits to be filled in', () => {
    const files = contents(built);
    const [launcher = '', system = ''] = [files['vfio-hook'], files['system.sh']];
    const [programs, nodes] = [PROGRAM_DIRECTORIES.join(':'), NODE_PLACES.join(' ')];
    assert.ok(launcher.includes(`\nPATH=${programs}\n`));
    assert.ok(launcher.includes(`for node in "$chosen_node" ${nodes}; do`));
    assert.ok(launcher.includes(`[ "$0" = ${LIBVIRT}/hooks/qemu ]`));
    assert.ok(system.includes(`\nnode_places='${nodes}'\n`) && system.includes(`\nhooks=${LIBVIRT}/hooks\n`));
    for (const [name, text] of Object.entries(files))
      if (name === 'vfio-hook' || name.endsWith('.sh')) assert.doesNotMatch(text, /@[A-Z_]+@/, name);
  });

  it('every file of JavaScript is that', () => {
    for (const [name, text] of Object.entries(contents(built)))
      if (name.endsWith('.cjs')) new Script(text, { filename: name });
  });

  it('and ASCII, which Node keeps in half the room that other text takes', () => {
    for (const [name, text] of Object.entries(contents(built)))
      if (name.endsWith('.cjs')) assert.match(text, /^[\0-\x7f]*$/, name);
  });

  it('the launcher is sh, for every shell and for shellcheck', function () {
    const file = join(built, 'vfio-hook');
    assert.doesNotMatch(readFileSync(file, 'utf8'), /^# include/m);
    for (const [program, ...args] of [['sh'], ...shells]) {
      const { status, stderr } = spawnSync(program, [...args, '-n', file], { encoding: 'utf8' });
      assert.deepEqual([status, stderr], [0, ''], program);
    }
    const { error, status, stdout } = spawnSync('shellcheck', ['--shell=sh', file], { encoding: 'utf8' });
    if (error) {
      console.warn('        skipped: shellcheck is not installed');
      this.skip();
    }
    assert.deepEqual([status, stdout], [0, '']);
  });

  it('the hook holds nothing of what only some runs need', () => {
    // A text of each package, which no minifier changes. It is in the part that does need it: else its absence
    // would prove nothing.
    const markers: readonly (readonly [marker: string, part: string])[] = [
      ['[winston] Attempt to write logs', 'log.cjs'],
      ['Format functions must be synchronous', 'log.cjs'],
      ['YAML Error in', 'config.cjs'],
      ['unidentified alias', 'config.cjs'],
      ['~standard', 'config.cjs'],
      ['stopNodes', 'domain.cjs'],
      ['execa', 'cli.cjs'],
      ['FORCE_COLOR', 'cli.cjs'],
    ];
    const [files, directory] = [contents(built), partsDirectory(built)];
    for (const [marker, part] of markers) {
      assert.ok(files[join(directory, part)]?.includes(marker), `${part} does not hold ${marker}`);
      for (const file of ['hook.cjs', join(directory, 'main.cjs')])
        assert.equal(files[file]?.includes(marker), false, `${file} holds ${marker}`);
    }
    for (const [name, text] of Object.entries(files))
      assert.ok(!text.includes(repository.replace(/\/$/, '')), `${name} holds a path of this machine`);
  });

  it('a start without configuration loads these modules of Node besides its own, and no other', () => {
    const list = join(temporaryDirectory(), 'modules');
    const { hook } = install({
      launcher: choose(process.execPath),
      program: (text) =>
        `${text}\nprocess.on('exit',()=>require('fs').writeFileSync(${JSON.stringify(list)},process.moduleLoadList.join('\\n')));\n`,
    });
    assert.equal(
      call(stage('amd-rdna3-desktop'), exampleGuest('windows-11-rx7900xtx'), 'prepare', { program: hook })
        .status,
      0,
    );
    const names = (text: string): string[] =>
      text
        .split('\n')
        .map((line) => line.replace('NativeModule ', ''))
        .filter((name) => builtinModules.includes(name));
    // Whoever asks for the module of files gets streams as well, from Node.js 18.
    const script = `require('fs').writeSync(1, process.moduleLoadList.join('\\n'))`;
    const bare = names(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }));
    const loaded = names(readFileSync(list, 'utf8')).filter((name) => !bare.includes(name));
    // os has the numbers of errnos, vm takes what is kept of compiled code.
    const allowed = ['os', 'vm'];
    assert.deepEqual(
      loaded.filter((name) => !allowed.includes(name)),
      [],
    );
  });
});

describe('the tests of the compiled file', () => {
  it('say when there is nothing built, and when it is older than its source', () => {
    const root = temporaryDirectory();
    assert.equal(staleness(root), 'there is no dist/vfio-hook; build it with: npm run build');
    for (const directory of ['dist', 'src/pci', 'hooks', 'scripts'])
      mkdirSync(join(root, directory), { recursive: true });
    for (const file of [
      'dist/vfio-hook',
      'src/pci/address.ts',
      'hooks/qemu.ts',
      'scripts/build.ts',
      'package.json',
    ]) {
      writeFileSync(join(root, file), '');
      utimesSync(join(root, file), 1000, 1000);
    }
    assert.equal(staleness(root), undefined);
    utimesSync(join(root, 'src/pci/address.ts'), 1001, 1001);
    assert.equal(staleness(root), 'dist/ is older than src/pci/address.ts; build it with: npm run build');
  });
});
