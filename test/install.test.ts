import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
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
import { dirname, join } from 'node:path';
import { directoryOfPrograms, repository } from './hook/compiled.ts';

const fixtures = join(repository, 'test/install');
const HOOK = '/etc/libvirt/hooks/qemu';
const KEPT = '/etc/libvirt/hooks/qemu.kept-by-vfio-hook';
const WRAPPER = '/etc/libvirt/hooks/qemu.d/00-kept-by-vfio-hook';
const MARKER = '/var/lib/vfio-hook/kept-hook';
const RECORD = '/usr/share/vfio-hook/installed';
const PROGRAM = '/usr/sbin/vfio-hook';
const LIB = '/usr/lib/vfio-hook';
const PARTS = '0.1.0-00000000';
const UNIT = 'vfio-hook-recover.service';
const LATENCY = 'vfio-hook-latency@.service';
const AWAKE = 'vfio-hook-awake.service';
const SYMLINKED = 'l 777 /usr/sbin/vfio-hook';

let work = '';
let source = '';
let root = '';
let node = '';
/** Where nobody but root can put a program, when this runs as root. */
let programs = '';

interface Outcome {
  readonly status: number | null;
  /** Without the root: what is done there is said as if it were the system's. */
  readonly out: string;
  readonly err: string;
}

/** Runs install.sh of the fake built tree with dash or whatever sh is, in an environment of its own. */
function install(
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  uid?: number,
): Outcome {
  const result = spawnSync('sh', [join(source, 'install.sh'), ...args], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DESTDIR: root, NODE: node, ...env },
    encoding: 'utf8',
    ...(uid !== undefined && { uid, gid: uid }),
  });
  const shown = (text: string): string => text.replaceAll(root, '');
  return { status: result.status, out: shown(result.stdout), err: shown(result.stderr) };
}

function succeeds(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Outcome {
  const outcome = install(args, env);
  assert.equal(outcome.status, 0, outcome.err);
  return outcome;
}

/** The script fails with this sentence and leaves everything as it was. */
function fails(
  error: RegExp,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  uid?: number,
): Outcome {
  const before = tree();
  const outcome = install(args, env, uid);
  assert.notEqual(outcome.status, 0, outcome.out);
  assert.match(outcome.err, error);
  for (const line of outcome.err.trimEnd().split('\n'))
    assert.match(line, /^install\.sh: (?:error|hint|warning): /);
  assert.deepEqual(tree(), before);
  return outcome;
}

/** Every path below the root with its kind, its mode, and its target or its text. */
function tree(top = root): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (path: string): void => {
    if (!existsSync(top + path)) return;
    for (const name of readdirSync(top + path)) {
      const inner = `${path}/${name}`;
      const stats = lstatSync(top + inner);
      const mode = (stats.mode & 0o7777).toString(8);
      const owner = stats.uid === process.getuid?.() ? '' : `${stats.uid} `;
      if (stats.isSymbolicLink()) found[inner] = `l ${owner}${mode} ${readlinkSync(top + inner)}`;
      else if (stats.isDirectory()) {
        found[inner] = `d ${owner}${mode}`;
        walk(inner);
      } else found[inner] = `f ${owner}${mode} ${readFileSync(top + inner, 'latin1')}`;
    }
  };
  walk('');
  return found;
}

function put(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(root + path), { recursive: true });
  writeFileSync(root + path, text);
  chmodSync(root + path, mode);
}

/** The text of a launcher with its two paths. */
function filledIn(launcher: string): string {
  return launcher
    .replace("\nchosen_node=''\n", `\nchosen_node='${node}'\n`)
    .replace("\nprogram=''\n", `\nprogram='${LIB}/hook.cjs'\n`);
}

/** What libvirt 6.5 and later runs for a guest: hooks/qemu, then each executable file of qemu.d by name. */
function runHooks(...args: string[]): string {
  const hooks = join(root, '/etc/libvirt/hooks');
  const dropIns = existsSync(join(hooks, 'qemu.d')) ? readdirSync(join(hooks, 'qemu.d')).sort() : [];
  let output = '';
  for (const path of [join(hooks, 'qemu'), ...dropIns.map((name) => join(hooks, 'qemu.d', name))]) {
    // The link leads to the program on the installed system.
    const isLink = lstatSync(path).isSymbolicLink() && readlinkSync(path) === PROGRAM;
    const program = isLink ? root + PROGRAM : path;
    if (!existsSync(program)) continue;
    const stats = lstatSync(realpathSync(program));
    if (!stats.isFile() || (stats.mode & 0o111) === 0) continue;
    const result = spawnSync(program, args, {
      cwd: '/',
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
      input: '<domain/>',
      encoding: 'utf8',
      timeout: 10_000,
    });
    assert.equal(result.status, 0, `${program}: ${result.stderr}`);
    output += result.stdout;
  }
  return output;
}

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'vfio-hook-'));
  chmodSync(work, 0o755);
  source = join(work, 'source');
  root = join(work, 'root');
  node = '/usr/bin/node';
  for (const folder of [
    `dist/${PARTS}`,
    'schema',
    'docs',
    'examples/configs',
    'systemd',
    'logrotate',
    'man',
    'completions',
  ])
    mkdirSync(join(source, folder), { recursive: true });
  mkdirSync(root);
  copyFileSync(join(repository, 'install.sh'), join(source, 'install.sh'));
  copyFileSync(join(fixtures, 'launcher'), join(source, 'dist/vfio-hook'));
  for (const file of ['only-root.sh', 'system.sh', 'maintainer.sh'])
    copyFileSync(join(repository, 'dist', file), join(source, 'dist', file));
  build(PARTS, { 'cli.cjs': 'cli', 'config.cjs': 'config' });
  writeFileSync(join(source, 'logrotate/vfio-hook'), 'rotate');
  writeFileSync(join(source, 'schema/vfio-hook.schema.json'), '{}');
  writeFileSync(join(source, 'systemd', UNIT), 'ExecStart=@COMMAND@ recover');
  writeFileSync(join(source, 'systemd', LATENCY), 'latency');
  writeFileSync(join(source, 'systemd', AWAKE), 'awake');
  writeFileSync(join(source, 'man/vfio-hook.8'), 'manual');
  writeFileSync(join(source, 'man/vfio-hook.yaml.5'), 'format');
  for (const name of ['vfio-hook.bash', 'vfio-hook.fish', '_vfio-hook'])
    writeFileSync(join(source, 'completions', name), name);
  writeFileSync(join(source, 'README.md'), 'readme');
  writeFileSync(join(source, 'docs/coexistence.md'), 'coexistence');
  writeFileSync(join(source, 'examples/configs/config.yaml'), 'example');
  programs = directoryOfPrograms();
  chmodSync(programs, 0o755);
  // A Node that answers at once; the real one need not be where this runs. Only root can make one that root would run.
  node = process.geteuid?.() === 0 ? fakeNode('bin/node', 'v20.19.2') : '/usr/bin/node';
});

/** What `npm run build` makes: the hook, whose first line names its parts, and these. */
function build(directory: string, parts: Readonly<Record<string, string>>): void {
  for (const name of readdirSync(join(source, 'dist')))
    if (/^\d/.test(name)) rmSync(join(source, 'dist', name), { recursive: true });
  mkdirSync(join(source, 'dist', directory));
  for (const [name, text] of Object.entries(parts))
    writeFileSync(join(source, 'dist', directory, name), text);
  writeFileSync(join(source, 'dist/hook.cjs'), `// parts: ${directory}\n`);
}

afterEach(() => {
  rmSync(work, { recursive: true, force: true });
});

function fakeNode(path: string, version: string): string {
  const file = join(programs, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho ${version}\n`);
  chmodSync(file, 0o755);
  return file;
}

/** Puts a script before the program of that name, in the only PATH that the script knows. */
function stub(name: string, text: string): void {
  mkdirSync(join(work, 'stub'), { recursive: true });
  const script = join(source, 'install.sh');
  const before = readFileSync(script, 'utf8');
  assert.ok(before.includes('\nPATH=/usr/sbin:') || before.includes(`\nPATH=${work}`));
  writeFileSync(script, before.replace('\nPATH=/usr/sbin:', `\nPATH=${work}/stub:/usr/sbin:`));
  writeFileSync(join(work, 'stub', name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(work, 'stub', name), 0o755);
}

describe('install.sh', () => {
  it('and the scripts of packages pass shellcheck (skipped without it)', function () {
    const { error, status, stdout } = spawnSync(
      'shellcheck',
      ['-x', '-P', 'SCRIPTDIR', 'install.sh', 'dist/maintainer.sh', 'dist/before-install.sh'],
      { cwd: repository, encoding: 'utf8' },
    );
    if (error) this.skip();
    assert.equal(status, 0, stdout);
  });

  it('explains itself', () => {
    const { out, err } = succeeds(['--help']);
    assert.match(out, /^Usage: \.\/install\.sh/);
    for (const word of ['--uninstall', '--force', '--dry-run', 'PREFIX', 'DESTDIR', 'NODE'])
      assert.ok(out.includes(word));
    assert.equal(err, '');
    assert.deepEqual(tree(), {});
  });

  it('refuses arguments that it does not know', () => {
    assert.equal(fails(/^install\.sh: error: unknown argument --unistall\n/, ['--unistall']).status, 2);
    assert.equal(fails(/^install\.sh: error: --force goes with --uninstall only\n/, ['--force']).status, 2);
  });

  describe('into an empty tree', () => {
    it('installs exactly this', () => {
      const { out, err } = succeeds();
      assert.match(
        err,
        /^install\.sh: warning: where AppArmor confines libvirtd it will not run Node\.js .*\n$/,
      );
      const launcher = readFileSync(join(fixtures, 'launcher'), 'latin1');
      const { [RECORD]: record, ...rest } = tree();
      assert.deepEqual(rest, {
        '/etc': 'd 755',
        '/etc/libvirt': 'd 755',
        '/etc/libvirt/hooks': 'd 755',
        [HOOK]: SYMLINKED,
        '/etc/logrotate.d': 'd 755',
        '/etc/logrotate.d/vfio-hook': 'f 644 rotate',
        '/etc/vfio-hook': 'd 755',
        '/etc/vfio-hook/domains': 'd 755',
        '/usr': 'd 755',
        '/usr/lib': 'd 755',
        '/usr/lib/systemd': 'd 755',
        '/usr/lib/systemd/system': 'd 755',
        [`/usr/lib/systemd/system/${AWAKE}`]: 'f 644 awake',
        [`/usr/lib/systemd/system/${LATENCY}`]: 'f 644 latency',
        [`/usr/lib/systemd/system/${UNIT}`]: 'f 644 ExecStart=/usr/sbin/vfio-hook recover',
        [LIB]: 'd 755',
        [`${LIB}/${PARTS}`]: 'd 755',
        [`${LIB}/${PARTS}/cli.cjs`]: 'f 644 cli',
        [`${LIB}/${PARTS}/config.cjs`]: 'f 644 config',
        [`${LIB}/hook.cjs`]: `f 644 // parts: ${PARTS}\n`,
        [`${LIB}/install.sh`]: `f 644 ${readFileSync(join(source, 'install.sh'), 'latin1')}`,
        [`${LIB}/system.sh`]: `f 644 ${readFileSync(join(source, 'dist/system.sh'), 'latin1')}`,
        '/usr/sbin': 'd 755',
        [PROGRAM]: `f 755 ${filledIn(launcher)}`,
        '/usr/share': 'd 755',
        '/usr/share/bash-completion': 'd 755',
        '/usr/share/bash-completion/completions': 'd 755',
        '/usr/share/bash-completion/completions/vfio-hook': 'f 644 vfio-hook.bash',
        '/usr/share/doc': 'd 755',
        '/usr/share/doc/vfio-hook': 'd 755',
        '/usr/share/doc/vfio-hook/README.md': 'f 644 readme',
        '/usr/share/doc/vfio-hook/docs': 'd 755',
        '/usr/share/doc/vfio-hook/docs/coexistence.md': 'f 644 coexistence',
        '/usr/share/doc/vfio-hook/examples': 'd 755',
        '/usr/share/doc/vfio-hook/examples/configs': 'd 755',
        '/usr/share/doc/vfio-hook/examples/configs/config.yaml': 'f 644 example',
        '/usr/share/fish': 'd 755',
        '/usr/share/fish/vendor_completions.d': 'd 755',
        '/usr/share/fish/vendor_completions.d/vfio-hook.fish': 'f 644 vfio-hook.fish',
        '/usr/share/man': 'd 755',
        '/usr/share/man/man5': 'd 755',
        '/usr/share/man/man5/vfio-hook.yaml.5': 'f 644 format',
        '/usr/share/man/man8': 'd 755',
        '/usr/share/man/man8/vfio-hook.8': 'f 644 manual',
        '/usr/share/vfio-hook': 'd 755',
        '/usr/share/vfio-hook/vfio-hook.schema.json': 'f 644 {}',
        '/usr/share/zsh': 'd 755',
        '/usr/share/zsh/site-functions': 'd 755',
        '/usr/share/zsh/site-functions/_vfio-hook': 'f 644 _vfio-hook',
      });
      assert.match(record!, /^f 644 d /);
      for (const word of [`installed ${PROGRAM}`, `linked ${HOOK}`, 'virsh start', 'vfio-hook plan'])
        assert.ok(out.includes(word), word);
    });

    it('puts the completions for zsh where Debian’s looks', () => {
      mkdirSync(join(root, 'usr/share/zsh/vendor-completions'), { recursive: true });
      succeeds();
      assert.ok(tree()['/usr/share/zsh/vendor-completions/_vfio-hook']);
      assert.equal(tree()['/usr/share/zsh/site-functions'], undefined);
    });

    it('does not depend on the umask of whoever runs it', () => {
      succeeds();
      const usual = tree();
      rmSync(root, { recursive: true });
      const result = spawnSync('sh', ['-c', 'umask 077; exec sh "$0"', join(source, 'install.sh')], {
        env: { PATH: '/usr/bin:/bin', DESTDIR: root, NODE: node },
      });
      assert.equal(result.status, 0);
      assert.deepEqual(tree(), usual);
    });

    it('changes nothing the second time', () => {
      succeeds();
      const once = tree();
      const { out } = succeeds();
      assert.deepEqual(tree(), once);
      assert.doesNotMatch(out, /installed \/|linked|removed/);
    });

    it('leaves nothing after --uninstall, and says so', () => {
      succeeds();
      const { out } = succeeds(['--uninstall']);
      assert.deepEqual(tree(), {});
      assert.ok(out.includes(`removed ${PROGRAM}`));
      assert.match(succeeds(['--uninstall']).out, /there is nothing to remove/);
    });

    it('removes what the hook has kept of its code, with --uninstall, and nothing else there', () => {
      succeeds();
      for (const operation of ['prepare', 'release'])
        put(`/var/cache/vfio-hook/${operation}/0.1.0-x-main.cjs`, '');
      put('/var/cache/other/file', '');
      succeeds(['--uninstall']);
      assert.deepEqual(Object.keys(tree()), [
        '/var',
        '/var/cache',
        '/var/cache/other',
        '/var/cache/other/file',
      ]);
    });

    it('makes DESTDIR itself', () => {
      rmSync(root, { recursive: true });
      succeeds();
      assert.equal(tree()[HOOK], SYMLINKED);
    });
  });

  describe('--dry-run', () => {
    it('says each action and does none', () => {
      put(HOOK, '#!/bin/sh\n', 0o755);
      const before = tree();
      const { out } = succeeds(['--dry-run']);
      assert.deepEqual(tree(), before);
      for (const line of [
        `would install ${PROGRAM}`,
        `would install ${WRAPPER}`,
        `would keep ${HOOK} as ${KEPT}`,
        `would link ${HOOK} -> ${PROGRAM}`,
      ]) {
        assert.ok(out.includes(`${line}\n`), line);
      }
      assert.doesNotMatch(out, /^(?:installed|linked|kept|made)/m);
    });

    it('says each removal and does none', () => {
      put(HOOK, '#!/bin/sh\n', 0o755);
      succeeds();
      const before = tree();
      const { out } = succeeds(['--uninstall', '--dry-run']);
      assert.deepEqual(tree(), before);
      for (const line of [`would remove ${PROGRAM}`, `would put ${KEPT} back as ${HOOK}`])
        assert.ok(out.includes(`${line}\n`), line);
      assert.doesNotMatch(out, /^(?:removed|put)/m);
    });

    it('says without DESTDIR which daemon would be reloaded, and asks systemd first', () => {
      stub(
        'systemctl',
        '[ "$*" = "is-active --quiet libvirtd.service" ] && exit 0\n[ "$1" = is-active ] || echo "DID $*"\nexit 3',
      );
      const { out } = succeeds(['--dry-run'], { DESTDIR: '' });
      assert.match(out, /\nwould reload libvirtd: systemctl reload libvirtd\.service\n$/);
      assert.doesNotMatch(out, /DID/);
    });
  });

  describe('over an earlier version', () => {
    /** What lies in the directory of the program, without the directories. */
    const inLib = (): string[] =>
      Object.entries(tree()).flatMap(([path, text]) =>
        path.startsWith(`${LIB}/`) && path.endsWith('.cjs') && text.startsWith('f')
          ? [`${path.slice(LIB.length + 1)}: ${text.slice(6)}`]
          : [],
      );

    it('replaces what changed, removes what is gone, and leaves no other file', () => {
      succeeds();
      writeFileSync(join(source, 'README.md'), 'readme 2');
      writeFileSync(join(source, 'docs/new.md'), 'new');
      rmSync(join(source, 'docs/coexistence.md'));
      const { out } = succeeds();
      const documents = Object.entries(tree()).filter(([path]) => path.endsWith('.md'));
      assert.deepEqual(documents, [
        ['/usr/share/doc/vfio-hook/README.md', 'f 644 readme 2'],
        ['/usr/share/doc/vfio-hook/docs/new.md', 'f 644 new'],
      ]);
      assert.ok(out.includes('installed 2 files in /usr/share/doc/vfio-hook\n'));
      assert.ok(out.includes('removed /usr/share/doc/vfio-hook/docs/coexistence.md\n'));
      assert.deepEqual(readdirSync(join(root, '/etc/libvirt/hooks')), ['qemu']);
      succeeds(['--uninstall']);
      assert.deepEqual(tree(), {});
    });

    it('keeps the parts of the version before, which a run may be about to load, until the next but one comes', () => {
      const [one, two, three] = ['0.1.0-11111111', '0.2.0-22222222', '0.3.0-33333333'];
      const hook = (directory: string): string => `hook.cjs: // parts: ${directory}\n`;
      build(one, { 'cli.cjs': 'cli 1', 'gone.cjs': 'gone' });
      succeeds();
      build(two, { 'cli.cjs': 'cli 2' });
      succeeds();
      const [kept, current] = [[`${one}/cli.cjs: cli 1`, `${one}/gone.cjs: gone`], `${two}/cli.cjs: cli 2`];
      assert.deepEqual(inLib(), [...kept, current, hook(two)]);
      // Once more the same version: nobody knows how long ago the first time was.
      succeeds();
      assert.deepEqual(inLib(), [...kept, current, hook(two)]);
      build(three, { 'cli.cjs': 'cli 3' });
      const { out } = succeeds();
      assert.deepEqual(inLib(), [current, `${three}/cli.cjs: cli 3`, hook(three)]);
      assert.equal(existsSync(`${root}${LIB}/${one}`), false);
      assert.ok(out.includes(`removed 2 files in ${LIB}/${one}\n`));
      // Back again: what was kept is in use, and what was in use is kept.
      build(two, { 'cli.cjs': 'cli 2' });
      succeeds();
      assert.deepEqual(inLib(), [current, `${three}/cli.cjs: cli 3`, hook(two)]);
      succeeds(['--uninstall']);
      assert.deepEqual(tree(), {});
    });

    it('treats the parts of the layout before that one in the same way', () => {
      succeeds();
      put(`${LIB}/cli.cjs`, 'flat');
      writeFileSync(root + RECORD, `${readFileSync(root + RECORD, 'utf8')}f ${LIB}/cli.cjs\n`);
      succeeds();
      assert.ok(inLib().includes('cli.cjs: flat'));
      build('0.2.0-22222222', { 'cli.cjs': 'cli 2' });
      succeeds();
      assert.ok(!inLib().includes('cli.cjs: flat'));
    });

    it('puts the parts there before the hook that loads them, and the hook before the launcher', () => {
      const log = join(work, 'log');
      stub('mv', `for last; do :; done\necho "$last" >>'${log}'\nexec /bin/mv "$@"`);
      succeeds();
      const order = readFileSync(log, 'utf8')
        .split('\n')
        .map((path) => path.slice(root.length));
      const at = [`${LIB}/${PARTS}/cli.cjs`, `${LIB}/hook.cjs`, PROGRAM, HOOK].map((path) =>
        order.indexOf(path),
      );
      assert.ok(!at.includes(-1));
      assert.deepEqual(
        at,
        [...at].sort((a, b) => a - b),
      );
    });

    it('replaces by renaming, so that a running hook keeps its file', () => {
      succeeds();
      const before = lstatSync(root + PROGRAM).ino;
      writeFileSync(
        join(source, 'dist/vfio-hook'),
        `${readFileSync(join(fixtures, 'launcher'), 'utf8')}# newer\n`,
      );
      succeeds();
      assert.notEqual(lstatSync(root + PROGRAM).ino, before);
    });

    it('corrects a mode', () => {
      succeeds();
      const right = tree();
      chmodSync(root + PROGRAM, 0o600);
      succeeds();
      assert.deepEqual(tree(), right);
    });

    it('keeps the configuration, also after --uninstall, and says so', () => {
      succeeds();
      put('/etc/vfio-hook/domains/win11.yaml', 'log: {}', 0o600);
      succeeds();
      const { out } = succeeds(['--uninstall']);
      assert.deepEqual(tree(), {
        '/etc': 'd 755',
        '/etc/vfio-hook': 'd 755',
        '/etc/vfio-hook/domains': 'd 755',
        '/etc/vfio-hook/domains/win11.yaml': 'f 600 log: {}',
      });
      assert.ok(out.includes('kept /etc/vfio-hook: your configuration\n'));
    });

    it('takes over a link from another PREFIX', () => {
      mkdirSync(join(root, '/etc/libvirt/hooks'), { recursive: true });
      symlinkSync('/usr/local/sbin/vfio-hook', root + HOOK);
      succeeds();
      assert.equal(tree()[HOOK], SYMLINKED);
      assert.equal(existsSync(root + KEPT), false);
    });

    it('takes over a copy of the program', () => {
      put(HOOK, readFileSync(join(fixtures, 'launcher'), 'utf8'), 0o755);
      succeeds();
      assert.equal(tree()[HOOK], SYMLINKED);
      assert.equal(existsSync(root + KEPT), false);
    });
  });

  describe('where libvirt has its directories', () => {
    it('leaves their modes and contents alone, before and after', () => {
      put('/etc/libvirt/hooks/network', '#!/bin/sh\n', 0o755);
      put('/etc/libvirt/hooks/qemu.d/50-mine', '#!/bin/sh\n', 0o700);
      chmodSync(join(root, '/etc/libvirt'), 0o700);
      const before = tree();
      succeeds();
      assert.equal(tree()['/etc/libvirt'], 'd 700');
      succeeds(['--uninstall']);
      assert.deepEqual(tree(), before);
    });
  });

  describe('where another hook is', () => {
    const foreign = '#!/bin/sh\necho "foreign $* $0"\ncat\n';

    it('keeps it, runs it after ours with the same arguments and input, and puts it back exactly', () => {
      put(HOOK, foreign, 0o750);
      const inode = lstatSync(root + HOOK).ino;
      const before = tree();
      succeeds();
      const now = tree();
      assert.equal(now[HOOK], SYMLINKED);
      assert.equal(now[KEPT], `f 750 ${foreign}`);
      assert.match(now[WRAPPER]!, /^f 755 #!\/bin\/sh\n/);
      assert.equal(now[MARKER], `f 644 ${KEPT}\n`);
      assert.deepEqual(readdirSync(join(root, '/etc/libvirt/hooks')), [
        'qemu',
        'qemu.d',
        'qemu.kept-by-vfio-hook',
      ]);
      assert.deepEqual(readdirSync(join(root, '/etc/libvirt/hooks/qemu.d')), ['00-kept-by-vfio-hook']);
      assert.equal(
        runHooks('a b', 'prepare', 'begin', '-'),
        `${node}\n${LIB}/hook.cjs\na b\nprepare\nbegin\n-\nforeign a b prepare begin - ${root}${KEPT}\n<domain/>`,
      );
      succeeds(['--uninstall']);
      assert.deepEqual(tree(), before);
      assert.equal(lstatSync(root + HOOK).ino, inode);
    });

    it('keeps its owner (needs root)', function () {
      if (process.getuid?.() !== 0) this.skip();
      put(HOOK, foreign, 0o755);
      chownSync(root + HOOK, 1234, 1234);
      const before = tree();
      assert.match(before[HOOK]!, /^f 1234 755/);
      succeeds();
      assert.match(tree()[KEPT]!, /^f 1234 755/);
      succeeds(['--uninstall']);
      assert.deepEqual(tree(), before);
    });

    for (const target of ['../../opt/hook', 'neighbour', '/nowhere/at/all']) {
      it(`keeps a link to ${target} a link`, () => {
        put('/opt/hook', foreign, 0o755);
        put('/etc/libvirt/hooks/neighbour', foreign, 0o755);
        symlinkSync(target, root + HOOK);
        const before = tree();
        succeeds();
        assert.equal(tree()[KEPT], `l 777 ${target}`);
        if (target === 'neighbour')
          assert.match(runHooks('vm', 'start', 'begin', '-'), /foreign vm start begin -/);
        else assert.doesNotMatch(runHooks('vm', 'start', 'begin', '-'), /cannot|not found/);
        succeeds(['--uninstall']);
        assert.deepEqual(tree(), before);
      });
    }

    it('does not run it when it is not executable, as libvirt did not', () => {
      put(HOOK, foreign, 0o644);
      succeeds();
      assert.doesNotMatch(runHooks('vm', 'prepare', 'begin', '-'), /foreign/);
      succeeds(['--uninstall']);
      assert.equal(tree()[HOOK], `f 644 ${foreign}`);
    });

    it('passes its failure on', () => {
      put(HOOK, '#!/bin/sh\nexit 7\n', 0o755);
      succeeds();
      assert.equal(spawnSync(root + WRAPPER, ['vm', 'prepare', 'begin', '-']).status, 7);
    });

    it('lets a dispatcher find its tree beside itself', () => {
      put(HOOK, readFileSync(join(fixtures, 'dispatcher'), 'utf8'), 0o755);
      put(
        '/etc/libvirt/hooks/qemu.d/win 11/prepare/begin/start.sh',
        '#!/bin/sh\necho "script $*"\ncat\n',
        0o755,
      );
      succeeds();
      assert.match(
        runHooks('win 11', 'prepare', 'begin', '-'),
        /\nscript win 11 prepare begin -\n<domain\/>$/,
      );
      assert.doesNotMatch(runHooks('win 10', 'prepare', 'begin', '-'), /script/);
    });

    it('does not let one that runs all of qemu.d run itself for ever', () => {
      put(HOOK, readFileSync(join(fixtures, 'run-all'), 'utf8'), 0o755);
      put('/etc/libvirt/hooks/qemu.d/50-mine', '#!/bin/sh\necho mine\n', 0o755);
      succeeds();
      const lines = runHooks('vm', 'prepare', 'begin', '-').split('\n').slice(6, -1);
      assert.deepEqual(lines, ['run-all vm prepare begin -', 'mine', 'mine']);
    });

    it('changes nothing the second time', () => {
      put(HOOK, foreign, 0o755);
      succeeds();
      const once = tree();
      assert.doesNotMatch(succeeds().out, /installed \/|linked|kept \//);
      assert.deepEqual(tree(), once);
    });

    it('restores the script in qemu.d when somebody removed it', () => {
      put(HOOK, foreign, 0o755);
      succeeds();
      const once = tree();
      rmSync(root + WRAPPER);
      succeeds();
      assert.deepEqual(tree(), once);
    });

    it('puts it back when somebody removed our link', () => {
      put(HOOK, foreign, 0o755);
      const before = tree();
      succeeds();
      rmSync(root + HOOK);
      succeeds(['--uninstall']);
      assert.deepEqual(tree(), before);
    });

    it('refuses to choose when there is a second one', () => {
      put(HOOK, foreign, 0o755);
      succeeds();
      rmSync(root + HOOK);
      put(HOOK, '#!/bin/sh\n# a second one\n', 0o755);
      fails(
        /^(?:install\.sh: warning: .*\n)?install\.sh: error: there are two other hooks, \/etc\/libvirt\/hooks\/qemu and \S+kept-by-vfio-hook\n/,
      );
    });

    it('leaves hooks that came after us alone when it is removed', () => {
      succeeds();
      rmSync(root + HOOK);
      put(HOOK, foreign, 0o755);
      const { err } = succeeds(['--uninstall']);
      assert.match(err, /warning: \/etc\/libvirt\/hooks\/qemu is not the link that was installed: it stays/);
      assert.equal(tree()[HOOK], `f 755 ${foreign}`);
      assert.equal(existsSync(root + PROGRAM), false);
    });

    it('leaves it in its place when somebody made us a drop-in of qemu.d', () => {
      put(HOOK, foreign, 0o755);
      mkdirSync(join(root, '/etc/libvirt/hooks/qemu.d'));
      symlinkSync(PROGRAM, join(root, '/etc/libvirt/hooks/qemu.d/50-vfio-hook'));
      const { out } = succeeds();
      assert.equal(tree()[HOOK], `f 755 ${foreign}`);
      assert.equal(existsSync(root + KEPT), false);
      assert.ok(out.includes('/etc/libvirt/hooks/qemu.d/50-vfio-hook leads to vfio-hook'));
    });
  });

  describe('fails and leaves nothing half done', () => {
    const prelude = '^(?:install\\.sh: warning: .*\\n)*install\\.sh: error: ';
    const error = (text: string): RegExp => new RegExp(prelude + text);

    it('without a build', () => {
      rmSync(join(source, 'dist'), { recursive: true });
      const { err } = fails(error('there is no \\S+/dist/system\\.sh\\n'));
      assert.match(err, /install\.sh: hint: npm ci && npm run build\n$/);
    });

    it('with half a build', () => {
      rmSync(join(source, 'dist', PARTS), { recursive: true });
      fails(error('\\S+/dist/hook\\.cjs does not have its parts beside it\\n'));
      rmSync(join(source, 'dist/hook.cjs'));
      fails(error('there is no \\S+/dist/hook\\.cjs\\n'));
    });

    for (const [sentence, text, line] of [
      ['no line for Node', "#!/bin/sh\nprogram=''\n", "chosen_node=''"],
      ['no line for the program', "#!/bin/sh\nchosen_node=''\n", "program=''"],
      ['two lines for Node', "#!/bin/sh\nchosen_node=''\nchosen_node=''\nprogram=''\n", "chosen_node=''"],
      ['a line that was filled in', "#!/bin/sh\nchosen_node='/x'\nprogram=''\n", "chosen_node=''"],
    ] as const) {
      it(`with a launcher that has ${sentence}`, () => {
        writeFileSync(join(source, 'dist/vfio-hook'), text);
        fails(error(`\\S+ does not have exactly one line ${line}\\n`));
      });
    }

    for (const [sentence, path] of [
      ['a file where a directory must be', '/usr/lib'],
      ['a file where the hooks should be', '/etc/libvirt/hooks'],
      ['a file where qemu.d should be', '/etc/libvirt/hooks/qemu.d'],
      ['a file where the state should be', '/var/lib'],
    ] as const) {
      it(`with ${sentence}`, () => {
        put(path, 'in the way');
        if (path !== '/etc/libvirt/hooks') put(HOOK, '#!/bin/sh\n', 0o755);
        fails(error(`${path} is in the way: it is no directory\\n`));
      });
    }

    for (const path of [HOOK, PROGRAM, `${LIB}/${PARTS}/config.cjs`]) {
      it(`with a directory where ${path} should be`, () => {
        put(`${path}/x`, '');
        fails(error(`${path} is in the way: it is a directory\\n`));
      });
    }

    for (const path of [
      '/usr',
      '/usr/share/doc',
      '/etc/libvirt/hooks',
      '/etc/libvirt/hooks/qemu.d',
      '/var',
    ]) {
      it(`with ${path} read-only (needs root, to be somebody else)`, function () {
        if (process.getuid?.() !== 0) this.skip();
        const nobody = 65534;
        put(HOOK, '#!/bin/sh\n', 0o755);
        mkdirSync(root + path, { recursive: true });
        spawnSync('chown', ['-R', '65534:65534', work]);
        chmodSync(root + path, 0o555);
        fails(error(`cannot (?:make the directory|write to) ${path}`), [], {}, nobody);
      });
    }

    it('as an ordinary user without DESTDIR (needs root, to be somebody else)', function () {
      if (process.getuid?.() !== 0) this.skip();
      fails(
        /^install\.sh: error: only root can install into the system\ninstall\.sh: hint: sudo /,
        [],
        { DESTDIR: '' },
        65534,
      );
    });

    for (const linking of [true, false]) {
      it(`when the last renaming fails, ${linking ? 'with' : 'without'} hard links: the earlier hook is back`, () => {
        put(HOOK, '#!/bin/sh\n', 0o750);
        const before = tree();
        stub('mv', `case "$*" in *hooks/.vfio-hook.link*) exit 1 ;; esac\nexec /bin/mv "$@"`);
        if (!linking) stub('ln', `[ "$1" = -P ] && exit 1\nexec /bin/ln "$@"`);
        const { status, err } = install();
        assert.equal(status, 1);
        assert.match(err, error('cannot replace /etc/libvirt/hooks/qemu\\n'));
        const hooks = Object.entries(tree()).filter(([path]) => path.startsWith('/etc/libvirt'));
        const unchanged = Object.entries(before).filter(([path]) => path.startsWith('/etc/libvirt'));
        assert.deepEqual(
          hooks.filter(([path]) => path !== '/etc/libvirt/hooks/qemu.d'),
          unchanged,
        );
        assert.equal(existsSync(root + MARKER), false);
        copyFileSync(join(repository, 'install.sh'), join(source, 'install.sh'));
        succeeds();
        succeeds(['--uninstall']);
        assert.deepEqual(tree(), before);
      });
    }

    it('and never has an unfinished file where libvirt runs files', () => {
      put(HOOK, '#!/bin/sh\n', 0o755);
      const log = join(work, 'log');
      stub('mv', `ls -A "$DESTDIR/etc/libvirt/hooks/qemu.d" >>'${log}'\nexec /bin/mv "$@"`);
      stub(
        'chmod',
        `ls -A "$DESTDIR/etc/libvirt/hooks/qemu.d" 2>&1 >>'${log}' | cat >/dev/null\nexec /bin/chmod "$@"`,
      );
      succeeds();
      const seen = new Set(readFileSync(log, 'utf8').split('\n').filter(Boolean));
      assert.deepEqual([...seen], ['00-kept-by-vfio-hook']);
    });

    for (const [sentence, env, text] of [
      ['a relative DESTDIR', { DESTDIR: 'x' }, 'DESTDIR is no absolute path: x'],
      ['a relative PREFIX', { PREFIX: 'usr' }, 'PREFIX is no absolute path below /: usr'],
      ['PREFIX=/', { PREFIX: '/' }, 'PREFIX is no absolute path below /: '],
      ['a quote in PREFIX', { PREFIX: '/a"b' }, 'PREFIX may have letters, digits and'],
      ['a line break in PREFIX', { PREFIX: '/a\nb' }, 'DESTDIR and PREFIX must not contain a line break'],
    ] as const) {
      it(`with ${sentence}`, () => {
        fails(error(text), [], env);
      });
    }
  });

  describe('and Node (needs root, to own it)', () => {
    beforeEach(function () {
      if (process.geteuid?.() !== 0) this.skip();
    });

    it('puts a path with blanks, quotes and other characters into the hook safely', () => {
      node = fakeNode('it\'s a "path" & $(touch x) \\1 `y` #/node', 'v22.1.0');
      succeeds();
      assert.equal(runHooks('vm', 'prepare', 'begin', '-').split('\n')[0], node);
      const launcher = readFileSync(join(fixtures, 'launcher'), 'utf8').split('\n');
      const installed = readFileSync(root + PROGRAM, 'utf8').split('\n');
      assert.deepEqual(installed.filter((line, index) => line !== launcher[index]).length, 2);
    });

    it('has one line for each path in the launcher of this repository', () => {
      const lines = readFileSync(join(repository, 'hooks/launcher.sh'), 'utf8').split('\n');
      for (const wanted of ["chosen_node=''", "program=''"])
        assert.equal(lines.filter((line) => line === wanted).length, 1);
    });

    it('refuses a path with a line break', () => {
      node = fakeNode('a\nb/node', 'v22.1.0');
      fails(/error: the path of Node\.js has characters that cannot be written into the hook/);
    });

    for (const [version, good] of [
      ['v18.19.1', true],
      ['v18.19.0', true],
      ['v18.20.4', true],
      ['v19.0.0', true],
      ['v26.10.0', true],
      ['v18.18.2', false],
      ['v16.20.2', false],
      ['v8.0.0', false],
    ] as const) {
      it(`${good ? 'takes' : 'refuses'} ${version}`, () => {
        node = fakeNode('bin/node', version);
        if (good) succeeds();
        else
          fails(
            /error: NODE=\S+ is too old: version \S+, and 18\.19 or later is needed\n.*hint: install a newer Node\.js/,
          );
      });
    }

    it('refuses what is no Node', () => {
      node = fakeNode('bin/node', 'hello');
      fails(/error: NODE=\S+ does not say a version: is it Node\.js\?/);
    });

    it('refuses what is not there, and a relative path', () => {
      node = join(programs, 'none');
      fails(/error: there is no program at NODE=/);
      node = 'node';
      fails(/error: NODE is no absolute path: node/);
    });

    it('does not let NODE_OPTIONS into the question for the version', () => {
      node = fakeNode('bin/node', '');
      writeFileSync(node, '#!/bin/sh\n[ -z "$NODE_OPTIONS" ] && echo v20.0.0\n');
      succeeds([], { NODE_OPTIONS: '--require=/x.js' });
    });

    it('finds /usr/bin/node by itself (skipped where it is not)', function () {
      if (!existsSync('/usr/bin/node')) this.skip();
      fakeNode('stub/node', 'v99.0.0');
      succeeds([], { NODE: '', PATH: `${join(programs, 'stub')}:/usr/bin:/bin` });
      assert.equal(runHooks('vm', 'prepare', 'begin', '-').split('\n')[0], '/usr/bin/node');
    });

    it('warns when AppArmor would not run it, judging the end of a chain of links', () => {
      const { err } = succeeds();
      assert.match(
        err,
        /warning: where AppArmor confines libvirtd it will not run Node\.js \S+\/bin\/node: only/,
      );
      node = '/usr/bin/node';
      if (existsSync(node) && dirname(realpathSync(node)) === '/usr/bin') assert.equal(succeeds().err, '');
    });
  });

  describe('elsewhere', () => {
    it('goes to PREFIX=/usr/local with a warning about AppArmor', () => {
      const { err } = succeeds([], { PREFIX: '/usr/local/' });
      assert.match(
        err,
        /warning: where AppArmor confines libvirtd it will not run the hook \/usr\/local\/sbin\/vfio-hook: only/,
      );
      const now = tree();
      assert.equal(now[HOOK], 'l 777 /usr/local/sbin/vfio-hook');
      assert.ok(now[`/usr/local/lib/vfio-hook/${PARTS}/cli.cjs`]);
      assert.equal(now['/usr/sbin'], undefined);
      const sentence = 'vfio-hook is installed with PREFIX=/usr/local, and this is PREFIX=/usr';
      fails(
        new RegExp(
          `^install\\.sh: error: ${sentence}\ninstall\\.sh: hint: PREFIX=/usr/local \\./install\\.sh --uninstall\n$`,
        ),
        ['--uninstall'],
      );
      fails(
        new RegExp(
          `^install\\.sh: error: ${sentence}\ninstall\\.sh: hint: to replace it: PREFIX=/usr/local `,
        ),
      );
      succeeds(['--uninstall'], { PREFIX: '/usr/local' });
      assert.deepEqual(tree(), {});
    });

    it('puts the unit where systemd looks, whatever PREFIX is', () => {
      succeeds([], { PREFIX: '/usr/local' });
      assert.match(
        tree()[`/usr/local/lib/systemd/system/${UNIT}`]!,
        /ExecStart=\/usr\/local\/sbin\/vfio-hook/,
      );
      succeeds(['--uninstall'], { PREFIX: '/usr/local' });
      succeeds([], { PREFIX: '/opt/vfio' });
      assert.match(tree()[`/etc/systemd/system/${UNIT}`]!, /ExecStart=\/opt\/vfio\/sbin\/vfio-hook/);
    });

    it('takes blanks and quotes in DESTDIR', () => {
      root = join(work, `it's "a" $(tree) * \\ &`);
      put(HOOK, '#!/bin/sh\necho foreign\n', 0o755);
      const before = tree();
      succeeds();
      assert.match(runHooks('vm', 'prepare', 'begin', '-'), /foreign/);
      assert.deepEqual(
        Object.keys(tree()).filter((path) => path.includes('.vfio-hook.')),
        [],
      );
      succeeds(['--uninstall']);
      assert.deepEqual(tree(), before);
      assert.deepEqual(readdirSync(work).sort(), [`it's "a" $(tree) * \\ &`, 'root', 'source']);
    });

    it('runs from any directory and by a relative path', () => {
      const result = spawnSync('sh', ['install.sh'], {
        cwd: source,
        env: { PATH: '/usr/bin:/bin', DESTDIR: root, NODE: node },
        encoding: 'utf8',
      });
      assert.equal(result.status, 0, result.stderr);
      assert.equal(tree()[HOOK], SYMLINKED);
    });
  });
});
