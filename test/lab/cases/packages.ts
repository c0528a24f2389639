import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';

import type { CaseContext, LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import { execute, type Execution, must } from '../guest/execute.ts';
import { expectDriver } from '../guest/expect.ts';
import { productLog, vfioHook } from '../guest/product.ts';
import { devices } from '../guest/topology.ts';
import { card } from './life-cycle.ts';

const hooks = '/etc/libvirt/hooks';
const hook = `${hooks}/qemu`;
const dropIn = `${hooks}/qemu.d/50-vfio-hook`;
const apt = ['-q', '-y', '--no-install-recommends', '-o', 'Dpkg::Use-Pty=0'];
const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };

async function aptGet(...args: readonly string[]): Promise<Execution> {
  return execute('apt-get', [...apt, ...args], { limit: 180, env });
}

/** Installs one of the two packages, or upgrades to it, as its owner does. */
async function installPackage(context: CaseContext, name: 'old' | 'new'): Promise<string> {
  const { status, stdout, stderr } = await aptGet('install', `/share/packages/${name}.deb`);
  context.afterwards(async () => {
    await aptGet('purge', 'vfio-hook');
  });
  assert.equal(status, 0, stdout + stderr);
  return stdout;
}

/** What is on the machine by the program's name, but for documents of this lab. */
async function traces(): Promise<readonly string[]> {
  const found = await must('find', ['/etc', '/usr', '/var', '/run', '-xdev', '-name', '*vfio-hook*']);
  const links = await must('find', ['/etc', '-lname', '*vfio-hook*']);
  return (found + links).split('\n').filter((line) => line !== '');
}

function partsOfProgram(): readonly string[] {
  return readdirSync('/usr/lib/vfio-hook').filter((name) => /^\d/.test(name));
}

export const packageCases: readonly LabCase[] = [
  {
    name: 'apt installs the package and its hook serves a guest; an upgrade while it runs gives back by the new code; removal is refused meanwhile, and purge leaves nothing',
    limit: 600,
    async run(context) {
      assert.deepEqual(await traces(), []);
      const said = await installPackage(context, 'old');
      assert.match(said, /^reloaded libvirtd$/m);
      assert.equal(readlinkSync(hook), '/etc/alternatives/libvirt-hook-qemu');
      const [older = ''] = partsOfProgram();
      assert.match(older, /^0\.1\.9-/);

      const { stdout: report } = await vfioHook('doctor', '--json');
      const { findings } = JSON.parse(report) as {
        readonly findings: readonly { readonly id: string; readonly verdict: string }[];
      };
      for (const id of ['hook-installed', 'hook-executable', 'hook-owner', 'hook-parts', 'node'])
        assert.equal(findings.find((finding) => finding.id === id)?.verdict, 'ok', `${id}: ${report}`);

      const domain = await Domain.define(context, 'packaged', card);
      await domain.start();
      expectDriver('vfio-pci', devices.gpu, devices.gpuAudio);

      const refused = await aptGet('remove', 'vfio-hook');
      assert.notEqual(refused.status, 0);
      assert.match(
        refused.stdout + refused.stderr,
        /^vfio-hook: error: devices are still held by guests \(1\)/m,
      );
      assert.ok(existsSync('/usr/lib/vfio-hook/hook.cjs') && existsSync(hook));

      await installPackage(context, 'new');
      expectDriver('vfio-pci', devices.gpu, devices.gpuAudio);
      const parts = partsOfProgram();
      assert.equal(parts.length, 1);
      assert.notEqual(parts[0], older);
      await domain.shutdown();
      expectDriver('snd_hda_intel', devices.gpuAudio);
      assert.deepEqual(readdirSync('/run/vfio-hook/claims'), []);

      writeFileSync('/etc/vfio-hook/config.yaml', 'log: { level: debug }\n');
      assert.equal((await aptGet('remove', 'vfio-hook')).status, 0);
      assert.ok(!existsSync(hook) && !existsSync('/usr/sbin/vfio-hook') && !existsSync('/usr/lib/vfio-hook'));
      assert.equal(readFileSync('/etc/vfio-hook/config.yaml', 'utf8'), 'log: { level: debug }\n');
      assert.equal((await aptGet('purge', 'vfio-hook')).status, 0);
      assert.deepEqual(await traces(), []);
    },
  },
  {
    name: 'another hook stays what it is: vfio-hook runs after it, serves a guest, and is gone with the package',
    limit: 400,
    async run(context) {
      const foreign = `#!/bin/sh\necho "$1 $2" >>/run/lab/foreign-hook\n`;
      mkdirSync(hooks, { recursive: true });
      writeFileSync(hook, foreign);
      chmodSync(hook, 0o755);
      context.afterwards(() => {
        rmSync(hook, { force: true });
        rmSync('/run/lab/foreign-hook', { force: true });
      });
      const said = await installPackage(context, 'new');
      assert.match(
        said,
        /^\/etc\/libvirt\/hooks\/qemu is another hook and stays; vfio-hook is \S+50-vfio-hook/m,
      );
      assert.equal(readlinkSync(dropIn), '/usr/sbin/vfio-hook');
      const domain = await Domain.define(context, 'beside', card);
      await domain.start();
      expectDriver('vfio-pci', devices.gpu, devices.gpuAudio);
      await domain.shutdown();
      expectDriver('snd_hda_intel', devices.gpuAudio);
      assert.match(
        readFileSync('/run/lab/foreign-hook', 'utf8'),
        /^beside prepare\n(?:.*\n)*beside release\n/m,
      );

      assert.equal((await aptGet('purge', 'vfio-hook')).status, 0);
      assert.equal(readFileSync(hook, 'utf8'), foreign);
      assert.deepEqual(await traces(), []);
    },
  },
  {
    name: 'a hook that another package offers stays the chosen one, and vfio-hook comes after it until it is chosen itself',
    limit: 300,
    async run(context) {
      const other = '/usr/sbin/other-hook';
      const alternatives = async (...args: readonly string[]): Promise<string> =>
        must('update-alternatives', ['--quiet', ...args], { env });
      mkdirSync(hooks, { recursive: true });
      writeFileSync(other, '#!/bin/sh\n', { mode: 0o755 });
      await alternatives('--install', hook, 'libvirt-hook-qemu', other, '90');
      context.afterwards(async () => {
        await execute('update-alternatives', ['--quiet', '--remove', 'libvirt-hook-qemu', other], { env });
        rmSync(other);
      });
      await installPackage(context, 'new');
      assert.deepEqual([realpathSync(hook), realpathSync(dropIn)], [other, '/usr/sbin/vfio-hook']);
      await alternatives('--set', 'libvirt-hook-qemu', '/usr/sbin/vfio-hook');
      await must('/usr/lib/vfio-hook/maintainer.sh', ['configure']);
      assert.deepEqual([realpathSync(hook), existsSync(dropIn)], ['/usr/sbin/vfio-hook', false]);
      assert.equal((await aptGet('purge', 'vfio-hook')).status, 0);
      assert.equal(realpathSync(hook), other);
      assert.deepEqual(await traces(), []);
    },
  },
  {
    name: 'install.sh and the package notice each other, and claims that the new version cannot read stop the upgrade',
    limit: 300,
    async run(context) {
      await must('sh', ['/share/product/install.sh'], { limit: 120 });
      context.afterwards(async () => {
        await execute('sh', ['/share/product/install.sh', '--uninstall'], { limit: 50 });
      });
      const twice = await aptGet('install', '/share/packages/new.deb');
      assert.notEqual(twice.status, 0);
      assert.match(
        twice.stdout + twice.stderr,
        /^vfio-hook: error: vfio-hook was installed by its install\.sh, with PREFIX=\/usr/m,
      );
      await must('sh', ['/usr/lib/vfio-hook/install.sh', '--uninstall'], { limit: 120 });

      await installPackage(context, 'old');
      const { status, stderr } = await execute('sh', ['/share/product/install.sh'], { limit: 120 });
      assert.equal(status, 1);
      assert.match(stderr, /^install\.sh: error: vfio-hook is installed by a package/m);
      assert.match(stderr, /^install\.sh: hint: or remove it first: apt remove vfio-hook$/m);

      const claim = '/run/vfio-hook/claims/00000000-0000-4000-8000-000000000000.json';
      mkdirSync('/run/vfio-hook/claims', { recursive: true, mode: 0o700 });
      writeFileSync(claim, '{\n "version": 99\n}\n', { mode: 0o600 });
      context.afterwards(() => {
        rmSync(claim, { force: true });
      });
      const upgrade = await aptGet('install', '/share/packages/new.deb');
      assert.notEqual(upgrade.status, 0);
      assert.match(
        upgrade.stdout + upgrade.stderr,
        /^vfio-hook: error: this version cannot read \S+ \(version 99\)/m,
      );
      assert.match(partsOfProgram()[0] ?? '', /^0\.1\.9-/);
      rmSync(claim);
      rmSync(productLog, { force: true });
    },
  },
];
