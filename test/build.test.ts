import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { install, repository, staleness, temporaryDirectory } from './hook/compiled.ts';
import { call, exampleGuest, stage } from './hook/stage.ts';

const built = join(repository, 'dist');

/** Builds into a fresh directory. */
function build(): string {
  const directory = join(temporaryDirectory(), 'dist');
  execFileSync(process.execPath, ['--import', 'tsx', 'scripts/build.ts', directory], { cwd: repository });
  return directory;
}

/** Every file with its text. */
function contents(directory: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(directory)
      .sort()
      .map((name) => [name, readFileSync(join(directory, name), 'latin1')]),
  );
}

/** The sh lines of the built file. */
function shellPart(): string {
  const text = readFileSync(join(built, 'vfio-hook'), 'utf8');
  return text.slice(0, text.indexOf('\n*/;\n') + 1);
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

  it('makes one executable file and its parts', () => {
    assert.equal(statSync(join(built, 'vfio-hook')).mode & 0o777, 0o755);
    for (const part of ['cli', 'domain', 'config', 'log', 'simulated', 'described'])
      assert.ok(existsSync(join(built, `${part}.cjs`)), part);
    assert.deepEqual(JSON.parse(readFileSync(join(built, 'package.json'), 'utf8')), { type: 'commonjs' });
  });

  it('every file is JavaScript', () => {
    for (const [name, text] of Object.entries(contents(built))) {
      if (name !== 'vfio-hook' && !name.endsWith('.cjs')) continue;
      const [first = '', ...rest] = text.split('\n');
      new Script(first.startsWith('#!') ? rest.join('\n') : text, { filename: name });
    }
  });

  it('the lines before the comment’s end are sh, for every shell and for shellcheck', () => {
    const file = join(temporaryDirectory(), 'launcher');
    writeFileSync(file, shellPart());
    assert.match(shellPart(), /^#!\/bin\/sh\n":" \/\*\n[^]*\nexit 0\n$/);
    for (const shell of ['sh', 'dash', 'bash']) {
      const { error, status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
      if (!error) assert.deepEqual([status, stderr], [0, ''], shell);
    }
    const { error, status, stdout } = spawnSync('shellcheck', ['--shell=sh', file], { encoding: 'utf8' });
    if (error) console.warn('        shellcheck is not installed');
    else assert.deepEqual([status, stdout], [0, '']);
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
    const files = contents(built);
    for (const [marker, part] of markers) {
      assert.ok(files[part]?.includes(marker), `${part} does not hold ${marker}`);
      assert.ok(!files['vfio-hook']?.includes(marker), `the hook holds ${marker}`);
    }
    for (const [name, text] of Object.entries(files))
      assert.ok(!text.includes(repository.replace(/\/$/, '')), `${name} holds a path of this machine`);
  });

  it('a start without configuration loads these modules of Node besides its own, and no other', () => {
    const list = join(temporaryDirectory(), 'modules');
    const { hook } = install(
      (text) =>
        `${text.replace("chosen_node=''", `chosen_node='${process.execPath}'`)}\n` +
        `process.on('exit',()=>require('fs').writeFileSync(${JSON.stringify(list)},process.moduleLoadList.join('\\n')));\n`,
    );
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
    const bare = names(
      execFileSync(process.execPath, ['-p', 'process.moduleLoadList.join("\\n")'], { encoding: 'utf8' }),
    );
    const loaded = names(readFileSync(list, 'utf8')).filter((name) => !bare.includes(name));
    // child_process, for the lock, loads net, dgram and the streams; the simulated machine takes the last two.
    const allowed = [
      'child_process',
      'net',
      'dgram',
      'stream',
      'stream/promises',
      'string_decoder',
      'diagnostics_channel',
      'timers/promises',
      'perf_hooks',
    ];
    assert.ok(loaded.includes('child_process'));
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
