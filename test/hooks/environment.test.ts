import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guest, hostdev, pci } from '../domain/documents.ts';
import { BARE_ENVIRONMENT, callHook, choose, install, temporaryDirectory } from '../hook/compiled.ts';
import { exampleGuest, moments, stage } from '../hook/stage.ts';
import { launcher, shells } from './launched.ts';

const WITH = guest(hostdev(pci(3)), { name: 'win11' });
const WITHOUT = guest('', { name: 'win11' });
const FIXED_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

/** Variables that make Node, or the OpenSSL in it, load, write or do something else. */
const hostile = {
  NODE_OPTIONS: '--require=/tmp/evil.js',
  NODE_PATH: '/tmp',
  NODE_EXTRA_CA_CERTS: '/tmp/x',
  NODE_REPL_EXTERNAL_MODULE: '/tmp/evil.js',
  NODE_V8_COVERAGE: '/tmp',
  NODE_DEBUG: 'fs',
  NODE_SOMETHING_OF_A_LATER_VERSION: 'x',
  OPENSSL_CONF: '/tmp/openssl.cnf',
  OPENSSL_MODULES: '/tmp',
};

/** What a terminal and a person say about themselves. */
const words = {
  TERM: 'xterm-256color',
  COLORTERM: 'truecolor',
  COLUMNS: '60',
  NO_COLOR: '',
  FORCE_COLOR: '1',
  TZ: 'Europe/Berlin',
  LANG: 'de_DE.UTF-8',
  LC_ALL: 'C',
  LC_CTYPE: 'C.UTF-8',
  LC_TIME: 'en_GB.UTF-8',
};

/** What the script in Node's place was given, without what its own shell adds. */
function environment(text: string | undefined): Record<string, string> {
  const lines = (text ?? '').trimEnd().split('\n');
  const entries = lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
  return Object.fromEntries(
    entries.filter(([name = '']) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name)),
  ) as Record<string, string>;
}

describe('the launcher: the environment', () => {
  const it1 = launcher();
  const evil = temporaryDirectory();
  for (const name of ['node', 'nodejs', 'vfio-hook']) {
    writeFileSync(join(evil, name), `#!/bin/sh\ntouch '${evil}/executed'\n`, { mode: 0o755 });
  }

  for (const shell of shells) {
    it(`${shell.join(' ')}: the hook gets a path and a language, and nothing of what it was called with`, () => {
      const env = {
        ...BARE_ENVIRONMENT,
        ...hostile,
        ...words,
        HOME: '/root',
        LD_PRELOAD: '',
        USER: 'root',
        LC_ALL: 'de_DE',
      };
      const { node } = it1.call(['x', 'prepare', 'begin', '-'], { input: WITH, env, shell });
      const { VFIO_HOOK_SIDE_SHELL: pid, ...rest } = environment(node?.env);
      assert.match(pid ?? '', /^\d+$/);
      assert.deepEqual(rest, { PATH: FIXED_PATH, LC_ALL: 'C' });
    });

    it(`${shell.join(' ')}: the command gets how to write to a person besides, as it was given`, () => {
      const call = (env: Readonly<Record<string, string>>): Record<string, string> =>
        environment(it1.call(['status'], { program: it1.command, env, shell }).node?.env);
      const env = { ...BARE_ENVIRONMENT, ...hostile, HOME: '/root', PATH: evil };
      assert.deepEqual(call({ ...env, ...words }), { PATH: FIXED_PATH, ...words });
      // bash makes one up when there is none.
      const bare = { TERM: 'vt100' };
      assert.deepEqual(call({ ...bare, PATH: evil, HOME: '/root' }), { ...bare, PATH: FIXED_PATH });
      assert.deepEqual(call({ ...bare, TZ: "it's $(id) `id`\\", LC_ALL: '' }), {
        ...bare,
        PATH: FIXED_PATH,
        LC_ALL: '',
        TZ: "it's $(id) `id`\\",
      });
    });

    it(`${shell.join(' ')}: run gets all but what Node listens to, for the program that it starts`, () => {
      const own = {
        ...words,
        HOME: '/root',
        DISPLAY: ':0',
        PATH: `${evil}:/usr/bin`,
        TWO: 'a\nexport NODE_X=1',
        QUOTED: `it's "$(id)" \`id\` \\ $HOME \u00e4`,
        // Names of the launcher's own variables.
        guest: 'win11',
        call: 'one',
        node: 'two',
        program: 'three',
        name: 'four',
        target: 'five',
        fault: 'six',
      };
      const { node } = it1.call(['run', 'x'], { program: it1.command, env: { ...own, ...hostile }, shell });
      assert.deepEqual(node?.args, [it1.program, it1.command, 'run', 'x']);
      assert.doesNotMatch(node.env, /^(?:NODE_(?!X=1$)|OPENSSL)/m);
      for (const [name, value] of Object.entries(own))
        assert.ok(`\n${node.env}`.includes(`\n${name}=${value}\n`), name);
    });
  }

  it('a node that PATH finds first is not executed, nor is one of BASH_ENV or ENV', () => {
    const script = join(evil, 'profile');
    writeFileSync(script, `touch '${evil}/executed'\n`);
    const env = { LC_ALL: 'C', PATH: `${evil}:/bin:/usr/bin`, ENV: script, BASH_ENV: script };
    assert.ok(it1.call(['x', 'prepare', 'begin', '-'], { input: WITH, env }).node);
    assert.equal(existsSync(join(evil, 'executed')), false);
  });

  it('variables named like its own change nothing', () => {
    const env = {
      ...BARE_ENVIRONMENT,
      xml: WITHOUT,
      chosen_node: '/bin/false',
      is_hook: 'no',
      call: 'x',
      guest: 'y',
      node: '/bin/false',
      claim: 'z',
      what: 'w',
      program: '/bin/false',
      fault: 'f',
      problem: 'p',
      BASH_VERSION: '5',
      IFS: '/',
    };
    const ended = it1.call(['x', 'prepare', 'begin', '-'], { input: WITH, env });
    assert.deepEqual([ended.status, ended.stdout, ended.stderr], [0, '', '']);
    assert.equal(ended.node?.stdin.toString().trim(), WITH);
    assert.equal(it1.call(['x', 'started', 'begin', '-'], { env }).node, undefined);
  });

  it('an empty environment is enough', () => {
    const { node, stderr } = it1.call(['x', 'prepare', 'begin', '-'], { input: WITH, env: {} });
    assert.equal(stderr, '');
    assert.equal(node?.stdin.toString().trim(), WITH);
  });
});

describe('the launcher: files beside it', () => {
  it('a package.json that says "module", in any directory from its own to the root, does not change what its code is', () => {
    const on = stage('amd-rdna3-desktop');
    const { name, xml } = exampleGuest('windows-11-rx7900xtx');
    const installed = install({ launcher: choose(process.execPath) });
    for (const directory of [installed.directory, join(installed.directory, 'dist')])
      writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
    assert.deepEqual(
      callHook([name, ...moments.prepare, ...on.option], { program: installed.hook, input: xml }),
      {
        status: 0,
        signal: null,
        stdout: '',
        stderr: '',
      },
    );
    const { status, stderr } = callHook(['--version'], { program: installed.command });
    assert.deepEqual([status, stderr], [0, '']);
  });
});
