import assert from 'node:assert/strict';
import { createMachine } from '../../simulator/machine.ts';
import type { CpufreqSpec, MachineSpec } from '../../simulator/spec.ts';
import type { PartialConfig } from '../../src/config/config.ts';
import { resourceRemarks } from '../../src/engine/config-resources.ts';
import { formatValuePath } from '../../src/config/problem.ts';
import { hintText } from '../../src/hint.ts';
import { machineSpec, pci } from '../scenario.ts';

const cpufreq: CpufreqSpec = {
  driver: 'intel_pstate',
  policies: 2,
  cpus: 1,
  governors: ['performance', 'powersave'],
  governor: 'powersave',
};

function remarks(config: PartialConfig, machine = 'sriov-nic', facts: Partial<MachineSpec> = {}): string[] {
  const host = createMachine(machineSpec(machine, facts)).host();
  return resourceRemarks(config, host).map(({ path, severity, text, hints }) => {
    assert.equal(severity, 'warning');
    return `${formatValuePath(path)}: ${text} (${hints.map(hintText).join('; ')})`;
  });
}

const card = (pf: string, vfs: number): PartialConfig => ({
  sriov: [{ pf: pci(pf), vfs, autoprobe: false }],
});

describe('what there is to say about huge pages and virtual functions', () => {
  it('is nothing where the host has them', () => {
    assert.deepEqual(remarks({}), []);
    assert.deepEqual(remarks({ hugepages: { sizeKb: 2048, count: 'auto', node: 0 } }), []);
    assert.deepEqual(remarks({ hugepages: { sizeKb: 1_048_576, count: 1 } }), []);
    assert.deepEqual(remarks(card('0000:17:00.1', 64)), []);
  });

  it('is that there is no such pool', () => {
    const see = '(ls /sys/devices/system/node/node*/hugepages)';
    assert.deepEqual(remarks({ hugepages: { sizeKb: 2048, count: 1, node: 1 } }), [
      `hugepages: this host has no huge pages of 2 MiB on node 1: a guest with it cannot start ${see}`,
    ]);
    assert.deepEqual(remarks({ hugepages: { sizeKb: 64, count: 1 } }), [
      `hugepages: this host has no huge pages of 64 KiB: a guest with it cannot start ${see}`,
    ]);
  });

  it('is that there are no such CPUs, none for the host, or no way to keep it off them', () => {
    const cpus = { count: 8, offline: [0], hierarchy: 'v2', irqs: [] } as const;
    const said = (isolate: string, more: object = {}): string[] =>
      remarks({ cpus: { isolate, irqs: false } }, 'sriov-nic', { cpus: { ...cpus, ...more } });
    assert.deepEqual(said('2-9'), [
      'cpus.isolate: this host has no CPUs 8-9, but CPUs 0-7 (lscpu --extended)',
    ]);
    assert.deepEqual(said('1-7'), [
      'cpus.isolate: this leaves the host no CPU that is online: a guest with it cannot start (leave it at least one)',
    ]);
    for (const isolate of ['auto', '2-7']) {
      assert.deepEqual(said(isolate), []);
      assert.deepEqual(said(isolate, { hierarchy: 'v1' }), [
        'cpus: systemd cannot keep the host off these CPUs here: that needs the unified hierarchy of control groups (cgroup v2): a guest with it cannot start (boot with systemd.unified_cgroup_hierarchy=1)',
      ]);
    }
  });

  it('is that CPUs cannot be told how soon to wake', () => {
    const said = (...files: readonly string[]): string[] =>
      remarks({ latency: 0 }, 'sriov-nic', { files: Object.fromEntries(files.map((file) => [file, ''])) });
    const [device, unit] = ['/dev/cpu_dma_latency', '/usr/lib/systemd/system/vfio-hook-latency@.service'];
    assert.deepEqual(said(device, unit), []);
    assert.match(
      said(unit).join(),
      /^latency: this kernel cannot be told .* for want of \/dev\/cpu_dma_latency/,
    );
    assert.match(
      said(device).join(),
      /^latency: systemd has no unit vfio-hook-latency@\.service: .*install that again\)$/,
    );
  });

  it('is that nothing can keep the host awake', () => {
    const unit = '/usr/lib/systemd/system/vfio-hook-awake.service';
    assert.deepEqual(remarks({ sleep: 'block' }, 'sriov-nic', { files: { [unit]: '' } }), []);
    assert.match(
      remarks({ sleep: 'block' }).join(),
      /^sleep: systemd has no unit vfio-hook-awake\.service: /,
    );
    assert.deepEqual(remarks({ sleep: 'allow' }), []);
  });

  it('is that the screen is not there', () => {
    const see = '(write auto, or the address of the card: lspci -D)';
    const at = (address: string): PartialConfig => ({ display: { release: pci(address), stop: [] } });
    assert.deepEqual(remarks(at('0000:03:00.0'), 'single-gpu-amd'), []);
    assert.deepEqual(remarks({ display: { release: 'auto', stop: [] } }), []);
    assert.deepEqual(remarks(at('0000:05:00.0'), 'single-gpu-amd'), [
      `display.release: 0000:05:00.0 is no graphics card: the screen of the host is not on it ${see}`,
    ]);
    assert.deepEqual(remarks(at('0000:77:00.0'), 'single-gpu-amd'), [
      `display.release: there is no 0000:77:00.0 on this host: a guest with it cannot start ${see}`,
    ]);
  });

  it('is that there is no such governor, or none at all', () => {
    const governor: PartialConfig = { governor: 'schedutil' };
    assert.deepEqual(remarks(governor), [
      'governor: this host does not set the frequency of its CPUs, as in many virtual machines: this has no effect (ls /sys/devices/system/cpu/cpufreq)',
    ]);
    assert.deepEqual(remarks(governor, 'sriov-nic', { cpufreq }), [
      'governor: this host offers no governor schedutil, but performance, powersave: a guest with it cannot start (set governor to one of these, or load it if it is a module: modprobe cpufreq_schedutil)',
    ]);
    assert.deepEqual(remarks({ governor: 'performance' }, 'sriov-nic', { cpufreq }), []);
  });

  it('is that a card is not there, makes none, or not so many', () => {
    assert.deepEqual(remarks(card('0000:7f:00.0', 1)), [
      'sriov[0].pf: there is no 0000:7f:00.0 on this host: this has no effect (compare with: lspci -nn)',
    ]);
    assert.deepEqual(remarks(card('0000:02:00.0', 1)), [
      'sriov[0].pf: 0000:02:00.0 can have no virtual functions: a guest that is assigned one cannot start (it may be off in the firmware setup: SR-IOV)',
    ]);
    assert.deepEqual(remarks(card('0000:17:00.0', 65)), [
      'sriov[0].vfs: 0000:17:00.0 can have 64 virtual functions: a guest that is assigned one cannot start (set vfs to 64 or less)',
    ]);
  });

  it('is that a mediated device can be made of nothing here', () => {
    const mdev = (parent: string, type: string): PartialConfig => ({
      mdev: [{ uuid: '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001', parent, type, attributes: [] }],
    });
    assert.deepEqual(remarks(mdev('auto', 'A10-4Q'), 'nvidia-vgpu-mdev'), []);
    assert.deepEqual(remarks(mdev('auto', 'GVTg_V5_4'), 'intel-gvt-g'), []);
    assert.deepEqual(remarks(mdev('auto', 'A16-4Q'), 'nvidia-vgpu-mdev'), [
      'mdev[0].type: no parent of this host offers the type A16-4Q; there are nvidia-591 (NVIDIA A10-2Q), nvidia-593 (NVIDIA A10-4Q), nvidia-595 (NVIDIA A10-8Q): a guest with it cannot start (vfio-hook mdev)',
    ]);
    const [remark = ''] = remarks(mdev('0000:03:00.0', 'x-1'), 'amd-rdna3-desktop');
    assert.match(remark, /0000:03:00.0 makes no mediated devices: its driver amdgpu has no mediated devices/);
  });

  it('is that an NVIDIA card has all of its functions or none', () => {
    const all = (vfs: number | 'all'): PartialConfig => ({
      sriov: [{ pf: pci('0000:61:00.0'), vfs, autoprobe: false }],
    });
    assert.deepEqual(remarks(all('all'), 'nvidia-vgpu-server'), []);
    assert.deepEqual(remarks(all(32), 'nvidia-vgpu-server'), []);
    assert.deepEqual(remarks(all(4), 'nvidia-vgpu-server'), [
      'sriov[0].vfs: 0000:61:00.0 has all of its 32 virtual functions or none: a guest that is assigned one cannot start (write vfs: all)',
    ]);
  });

  it('is that a function is none that can have a vGPU', () => {
    const on = (vf: string): PartialConfig => ({ vgpu: [{ vf: pci(vf), type: 1 }] });
    assert.deepEqual(remarks(on('0000:41:00.4'), 'nvidia-vgpu-server'), []);
    // It may come with the first guest.
    assert.deepEqual(remarks(on('0000:61:00.4'), 'nvidia-vgpu-server'), []);
    assert.deepEqual(remarks(on('0000:41:00.0'), 'nvidia-vgpu-server'), [
      "vgpu[0].vf: 0000:41:00.0 is no virtual function that stays on NVIDIA's driver: a guest with it cannot start (vfio-hook vgpu)",
    ]);
    const auto = (pf: string): PartialConfig => ({ vgpu: [{ vf: 'auto', pf: pci(pf), type: 1 }] });
    assert.deepEqual(remarks(auto('0000:41:00.0'), 'nvidia-vgpu-server'), []);
    assert.deepEqual(remarks(auto('0000:03:00.0'), 'nvidia-vgpu-server'), [
      'vgpu[0].pf: 0000:03:00.0 makes no virtual functions: this has no effect (vfio-hook vgpu)',
    ]);
  });
});
