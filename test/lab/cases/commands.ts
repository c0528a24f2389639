import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync } from 'node:fs';

import type { LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import { expectDriver } from '../guest/expect.ts';
import { configure, vfioHook } from '../guest/product.ts';
import { differences, takeSnapshot } from '../guest/snapshot.ts';
import { attribute, driverOf } from '../guest/sysfs.ts';
import { devices } from '../guest/topology.ts';
import { waitFor } from '../guest/wait.ts';
import { card } from './life-cycle.ts';

interface Group {
  readonly verdict: { readonly kind: string; readonly reasons: readonly { readonly code: string }[] };
  readonly devices: readonly { readonly address: string; readonly driver: string | null }[];
}

interface Findings {
  readonly findings: readonly { readonly id: string; readonly verdict: string; readonly found: string }[];
}

/** What people type, on a real kernel. */
export const commandCases: readonly LabCase[] = [
  {
    name: 'groups: members and drivers as sysfs has them, and what the host needs is refused',
    async run() {
      const { status, stdout, stderr } = await vfioHook('groups', '--json');
      assert.equal(status, 0, stderr);
      const groups = JSON.parse(stdout) as readonly Group[];
      const groupOf = (address: string): Group => {
        const found = groups.find((group) => group.devices.some((device) => device.address === address));
        assert.ok(found, `no group with ${address}`);
        return found;
      };
      for (const { devices: members } of groups)
        for (const { address, driver } of members) assert.equal(driver ?? undefined, driverOf(address));
      assert.deepEqual(
        groupOf(devices.gpu).devices.map(({ address }) => address),
        [devices.gpu, devices.gpuAudio],
      );
      assert.equal(groupOf(devices.gpu).verdict.kind, 'possible');
      assert.equal(groupOf(devices.rootDisk).verdict.kind, 'refused');
      const lines = await vfioHook('groups', '--lines');
      assert.match(
        lines.stdout,
        /^IOMMU Group \d+ 08:00\.0 VGA compatible controller \[0300\]: .*\[10de:2684\]/m,
      );
    },
  },
  {
    name: 'plan: what the start of a guest known to libvirt would write, and nothing is written',
    async run(context) {
      const before = takeSnapshot();
      const domain = await Domain.define(context, 'planned', card);
      const { status, stdout, stderr } = await vfioHook('plan', domain.name);
      assert.equal(status, 0, stderr);
      assert.ok(
        stdout.includes(`echo ${devices.gpuAudio} > /sys/bus/pci/drivers/snd_hda_intel/unbind`),
        stdout,
      );
      assert.ok(stdout.includes(`echo ${devices.gpu} > /sys/bus/pci/drivers/vfio-pci/bind`), stdout);
      assert.deepEqual(differences(before, takeSnapshot()), []);
      const refused = await vfioHook(
        'plan',
        '--json',
        (await Domain.define(context, 'root', [{ address: devices.rootDisk }])).name,
      );
      assert.equal(refused.status, 2, refused.stderr);
    },
  },
  {
    name: 'detach and reattach: the whole group goes to vfio-pci and comes back as it was',
    async run() {
      const before = takeSnapshot();
      const detached = await vfioHook('detach', '08:00.0');
      assert.equal(detached.status, 0, detached.stderr);
      expectDriver('vfio-pci', devices.gpu, devices.gpuAudio);
      const status = await vfioHook('status');
      assert.match(status.stdout, /^detached by hand /m);
      const reattached = await vfioHook('reattach', '08:00.0');
      assert.equal(reattached.status, 0, reattached.stderr);
      assert.deepEqual(differences(before, takeSnapshot()), []);
      const refused = await vfioHook('detach', devices.rootDisk);
      assert.equal(refused.status, 2, refused.stderr);
      assert.match(refused.stderr, /the host runs from it: \/ is on vda/);
    },
  },
  {
    name: 'run: the program has the card, its exit status comes back, and so does the card',
    async run() {
      const before = takeSnapshot();
      const program = ['sh', '-c', `readlink ${attribute(devices.gpuAudio, 'driver')}; exit 7`];
      const { status, stdout, stderr } = await vfioHook('run', '--device', '08:00.0', '--', ...program);
      assert.equal(status, 7, stderr);
      assert.match(stdout, /vfio-pci$/m);
      assert.deepEqual(differences(before, takeSnapshot()), []);
      const killed = await vfioHook('run', '--device', '08:00.0', '--', 'sh', '-c', 'kill -KILL $$');
      assert.equal(killed.status, 128 + 9, killed.stderr);
      assert.deepEqual(differences(before, takeSnapshot()), []);
    },
  },
  {
    name: 'doctor: finds the IOMMU, the modules and the installed hook',
    async run() {
      const { status, stdout, stderr } = await vfioHook('doctor', '--json');
      assert.ok(status === 0 || status === 1, `${String(status)}: ${stdout}${stderr}`);
      const { findings } = JSON.parse(stdout) as Findings;
      for (const id of ['iommu', 'vfio-modules', 'hook-installed', 'hook-executable', 'node']) {
        const found = findings.filter((finding) => finding.id === id);
        assert.ok(found.length > 0, `${id} is missing from ${findings.map((each) => each.id).join(', ')}`);
        assert.deepEqual(
          new Set(found.map(({ verdict }) => verdict)),
          new Set(['ok']),
          JSON.stringify(found),
        );
      }
    },
  },
  {
    name: 'a sound device that is held and allowed hangs the kernel, not virsh; recover finishes once it is let go',
    limit: 240,
    async run(context) {
      const before = takeSnapshot();
      configure(
        context,
        'hanging',
        `timeouts: { kernelWrite: 3s }\ndevices:\n  - { match: "${devices.gpuAudio}", allow: [held] }\n`,
      );
      const domain = await Domain.define(context, 'hanging', card);
      const [sound = ''] = readdirSync(attribute(devices.gpuAudio, 'sound'));
      const fd = openSync(`/dev/snd/controlC${sound.replace('card', '')}`, 'r');
      let open = true;
      const letGo = (): void => {
        if (open) closeSync(fd);
        open = false;
      };
      context.afterwards(letGo);
      const started = performance.now();
      const { status, stderr } = await domain.tryStart();
      context.note(`virsh came back after ${((performance.now() - started) / 1000).toFixed(1)} s`);
      assert.notEqual(status, 0, 'the start must fail');
      assert.match(
        stderr,
        /the kernel did not finish within 3 s .*, and \/dev\/snd\/controlC\d+ is open in "/,
      );
      const stuck = await vfioHook('status');
      assert.equal(stuck.status, 2, stuck.stderr);
      assert.match(stuck.stdout, /stuck/);
      letGo();
      await waitFor('the write to return', 30, () => driverOf(devices.gpuAudio) === undefined || undefined);
      const recovered = await vfioHook('recover');
      assert.equal(recovered.status, 0, recovered.stderr);
      await waitFor('the card', 20, () => differences(before, takeSnapshot()).length === 0 || undefined);
    },
  },
];
