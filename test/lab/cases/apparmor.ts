import assert from 'node:assert/strict';
import { closeSync, cpSync, existsSync, mkdirSync, openSync, renameSync, rmSync, symlinkSync } from 'node:fs';

import type { CaseContext, LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import { must } from '../guest/execute.ts';
import { expectDriver, reportedBar2 } from '../guest/expect.ts';
import { expectPool } from '../guest/hugepages.ts';
import { processes, restartLibvirtd } from '../guest/libvirtd.ts';
import { configure, installProduct, uninstallProduct } from '../guest/product.ts';
import { read } from '../guest/sysfs.ts';
import { devices } from '../guest/topology.ts';
import { card } from './life-cycle.ts';

const hook = '/etc/libvirt/hooks/qemu';

/** Puts Debian's own profile of libvirtd in force; to be called before the daemon starts. */
export async function enforceProfile(): Promise<void> {
  // The package's installation makes this file; bookworm's profile comes without it (host/rootfs.ts).
  closeSync(openSync('/etc/apparmor.d/local/usr.sbin.libvirtd', 'a'));
  await must('apparmor_parser', ['--replace', '/etc/apparmor.d/usr.sbin.libvirtd']);
}

/** What AppArmor has denied since the last call, by the kernel's log. */
async function denials(): Promise<readonly string[]> {
  const log = await must('dmesg', ['--read-clear']);
  return log.split('\n').flatMap((line) => /apparmor="DENIED".*/.exec(line) ?? []);
}

/**
 * Starts a guest whose BAR is resized and that brings huge pages: the hook loads a module, adds pages, unbinds, resizes,
 * binds, writes claims and logs.
 */
async function startResized(context: CaseContext, name: string): Promise<Domain> {
  const rule = `devices:\n  - match: "${devices.gpu}"\n    bars: { 2: 2GiB }\n`;
  configure(context, name, `${rule}hugepages: { size: 2MiB, count: 4 }\n`);
  const domain = await Domain.define(context, name, card);
  await domain.start();
  expectDriver('vfio-pci', devices.gpu, devices.gpuAudio);
  return domain;
}

export const appArmorCases: readonly LabCase[] = [
  {
    name: "libvirtd runs under Debian's profile, enforced",
    run() {
      const [pid] = processes('libvirtd');
      assert.equal(read(`/proc/${pid ?? 0}/attr/current`)?.replace(/\0/g, ''), 'libvirtd (enforce)');
    },
  },
  {
    name: 'the profile has teeth here: a hook that is a link into /opt is denied, and no guest starts',
    async run(context) {
      mkdirSync('/opt/vfio-hook', { recursive: true });
      cpSync('/usr/sbin/vfio-hook', '/opt/vfio-hook/hook');
      renameSync(hook, `${hook}.installed`);
      symlinkSync('/opt/vfio-hook/hook', hook);
      context.afterwards(() => {
        rmSync(hook);
        renameSync(`${hook}.installed`, hook);
      });
      const domain = await Domain.define(context, 'denied', card);
      await denials();
      const { status, stderr } = await domain.tryStart();
      assert.notEqual(status, 0);
      assert.match(stderr, /exit status 126/);
      assert.match((await denials()).join('\n'), /operation="exec".*name="\/opt\/vfio-hook\/hook"/);
    },
  },
  {
    name: 'the installed hook does all it has to, and nothing is denied',
    async run(context) {
      await denials();
      const domain = await startResized(context, 'confined');
      assert.equal(reportedBar2(await domain.runs()), 2n ** 31n);
      expectPool(4, 4);
      await domain.shutdown();
      expectDriver('snd_hda_intel', devices.gpuAudio);
      assert.deepEqual(await denials(), []);
    },
  },
  {
    name: 'a refusal reaches the person who types virsh start',
    async run(context) {
      const domain = await Domain.define(context, 'refused', [{ address: '0000:1f:00.0' }]);
      const { status, stderr } = await domain.tryStart();
      assert.notEqual(status, 0);
      assert.match(stderr, /vfio-hook: error: .*0000:1f:00\.0/);
    },
  },
  {
    name: 'after install.sh --uninstall the hook is gone and guests start without it, and nothing is denied',
    limit: 240,
    async run(context) {
      await denials();
      await uninstallProduct();
      context.afterwards(async () => {
        await installProduct();
        await restartLibvirtd();
      });
      assert.ok(!existsSync(hook) && !existsSync('/usr/sbin/vfio-hook') && !existsSync('/usr/lib/vfio-hook'));
      await restartLibvirtd();
      // Without the hook nobody loads it, and libvirt refuses a host without VFIO.
      await must('modprobe', ['vfio-pci']);
      const domain = await Domain.define(context, 'uninstalled', card);
      await domain.start();
      await domain.shutdown();
      assert.deepEqual(await denials(), []);
    },
  },
];
