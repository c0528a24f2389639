import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repository } from '../hook/compiled.ts';

const MODULE = join(repository, 'packaging/selinux');
const HEADERS = '/usr/share/selinux/devel/Makefile';
/** Where the package selinux-policy-default is, installed or only unpacked. */
const POLICY = process.env['SELINUX_POLICY_ROOT'] ?? '/';
const MODULES = join(POLICY, 'usr/share/selinux/default');

let work = '';

/** Runs a program and gives what it printed; a failure is one of the test. */
function run(program: string, args: readonly string[], cwd = work): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
  });
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`);
  return stdout;
}

/** Compiles the modules of a directory with the distribution's own Makefile. */
function compile(directory: string): void {
  run('make', ['-f', HEADERS, 'NAME=default'], directory);
}

function without(context: Mocha.Context, what: string): never {
  context.test?.parent?.tests.forEach((test) => (test.title += ` (skipped: ${what})`));
  return context.skip();
}

describe('the policy module for SELinux', function () {
  this.timeout(300_000);

  before(function () {
    if (!existsSync(HEADERS)) without(this, 'no selinux-policy-dev here');
    work = mkdtempSync(join(tmpdir(), 'vfio-hook-selinux-'));
    for (const file of readdirSync(MODULE)) cpSync(join(MODULE, file), join(work, file));
    compile(work);
  });

  after(() => {
    if (work !== '') rmSync(work, { recursive: true, force: true });
  });

  it("compiles against the distribution's headers", () => {
    assert.ok(existsSync(join(work, 'vfio_hook.pp')));
  });
});

describe('the policy module for SELinux, in a whole policy', function () {
  this.timeout(300_000);
  let policy = '';
  let contexts = '';

  before(function () {
    if (!existsSync(HEADERS)) without(this, 'no selinux-policy-dev here');
    if (!existsSync(join(MODULES, 'base.pp.bz2'))) without(this, 'no selinux-policy-default here');
    for (const tool of ['sesearch', 'semodule', 'matchpathcon', 'bunzip2']) {
      if (spawnSync('sh', ['-c', `PATH=/usr/sbin:$PATH command -v ${tool}`]).status !== 0) {
        without(this, `no ${tool} here`);
      }
    }
    work = mkdtempSync(join(tmpdir(), 'vfio-hook-selinux-'));
    for (const file of readdirSync(MODULE)) cpSync(join(MODULE, file), join(work, file));
    cpSync(join(repository, 'test/package/selinux/stand_in.te'), join(work, 'stand_in.te'));
    for (const kind of ['fc', 'if']) writeFileSync(join(work, `stand_in.${kind}`), '');
    compile(work);
    const store = join(work, 'root/etc/selinux');
    mkdirSync(join(work, 'root/var/lib/selinux'), { recursive: true });
    mkdirSync(store, { recursive: true });
    writeFileSync(join(store, 'config'), 'SELINUX=enforcing\nSELINUXTYPE=default\n');
    cpSync(join(POLICY, 'etc/selinux/default'), join(store, 'default'), { recursive: true });
    const given = readdirSync(MODULES).filter((name) => name.endsWith('.pp.bz2'));
    mkdirSync(join(work, 'pp'));
    for (const name of given) {
      cpSync(join(MODULES, name), join(work, 'pp', name));
      run('bunzip2', [join(work, 'pp', name)]);
    }
    const files = given.map((name) => `pp/${name.slice(0, -'.bz2'.length)}`);
    const all = [...files, 'stand_in.pp', 'vfio_hook.pp'];
    // As the package does it, but into a store of its own and without loading it.
    run('semodule', [
      ...['-p', join(work, 'root'), '-s', 'default', '-n', '-X', '100'],
      ...all.flatMap((file) => ['-i', file]),
    ]);
    const binary = join(store, 'default/policy');
    policy = join(binary, readdirSync(binary)[0] ?? '');
    contexts = join(store, 'default/contexts/files/file_contexts');
  });

  after(() => {
    if (work !== '') rmSync(work, { recursive: true, force: true });
  });

  it('can be installed', () => {
    const list = run('semodule', ['-p', join(work, 'root'), '-s', 'default', '-l']);
    assert.match(list, /^vfio_hook$/m);
  });

  for (const daemon of ['virtqemud_t', 'virtd_t', 'init_t']) {
    it(`${daemon} runs the program in its own domain`, () => {
      const rule = run('sesearch', ['-T', '-s', daemon, '-t', 'vfio_hook_exec_t', '-c', 'process', policy]);
      assert.match(
        rule,
        new RegExp(`^type_transition ${daemon} vfio_hook_exec_t:process vfio_hook_t;$`, 'm'),
      );
      const allowed = run('sesearch', ['-A', '-s', daemon, '-t', 'vfio_hook_t', '-c', 'process', policy]);
      assert.match(allowed, / transition /);
      const execute = run('sesearch', ['-A', '-s', daemon, '-t', 'vfio_hook_exec_t', '-c', 'file', policy]);
      assert.match(execute, /execute/);
    });
  }

  it('a unit with NoNewPrivileges comes to the domain, too', () => {
    const rule = run('sesearch', ['-A', '-s', 'init_t', '-t', 'vfio_hook_t', '-c', 'process2', policy]);
    assert.match(rule, /nnp_transition/);
  });

  it('the domain writes to sysfs, loads modules and runs code that Node.js made', () => {
    const granted = (type: string, kind: string, permission: string): string =>
      run('sesearch', ['-A', '-s', 'vfio_hook_t', '-t', type, '-c', kind, '-p', permission, policy]);
    assert.match(granted('sysfs_t', 'file', 'write'), /^allow /m);
    assert.match(granted('vfio_hook_t', 'capability', 'sys_module'), /^allow /m);
    assert.match(granted('modules_object_t', 'system', 'module_load'), /^allow /m);
    // Without a boolean behind it.
    assert.match(
      granted('vfio_hook_t', 'process', 'execmem'),
      /^allow vfio_hook_t vfio_hook_t:process .*;$/m,
    );
  });

  const TYPES = {
    '/usr/sbin/vfio-hook': 'exec',
    '/usr/bin/vfio-hook': 'exec',
    '/usr/local/sbin/vfio-hook': 'exec',
    '/usr/lib/vfio-hook/hook.cjs': 'lib',
    '/etc/vfio-hook/domains/win11.yaml': 'etc',
    '/run/vfio-hook/claims': 'runtime',
    '/var/run/vfio-hook/claims': 'runtime',
    '/var/cache/vfio-hook': 'cache',
    '/var/lib/vfio-hook/kept-hook': 'var_lib',
    '/var/log/libvirt/vfio-hook.log': 'log',
    '/var/log/libvirt/vfio-hook.log.1.gz': 'log',
  } as const;

  for (const [path, type] of Object.entries(TYPES)) {
    it(`${path} is vfio_hook_${type}_t`, () => {
      const [, context] = run('matchpathcon', ['-f', contexts, path]).trim().split('\t');
      assert.equal(context, `system_u:object_r:vfio_hook_${type}_t:s0`);
    });
  }
});
