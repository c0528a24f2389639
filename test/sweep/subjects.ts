import { defaultConfig, type Config, type DeviceRule } from '../../src/config/config.ts';
import type { Hostdev } from '../../src/domain/domain.ts';
import type { UseReason } from '../../src/pci/use.ts';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pci, type ScenarioOptions } from '../scenario.ts';

const MIB = 2 ** 20;

/** A machine of examples/hosts, and what a guest on it is assigned. */
export interface Subject extends ScenarioOptions {
  readonly host: string;
  readonly devices: readonly (string | Hostdev)[];
}

/** A rule for one device: sizes in MiB by BAR, and what the host may lose with it. */
function rule(
  address: string,
  bars: Readonly<Record<number, number>>,
  allow: readonly UseReason[] = [],
): DeviceRule {
  const sizes = Object.entries(bars).map(([bar, size]): [number, number] => [Number(bar), size * MIB]);
  return { match: { by: 'address', address: pci(address) }, bars: new Map(sizes), allow };
}

const slice = (uuid: string): Hostdev => ({ kind: 'mdev', uuid, managed: false });

const rules = (...devices: readonly DeviceRule[]): Partial<Config> => ({ ...defaultConfig, devices });

/**
 * Every example machine with a guest that fits it and needs as many kinds of writes as the machine has: whole
 * groups, BARs, overrides that were there before, devices without a driver, variant drivers, virtual functions.
 */
export const subjects: readonly Subject[] = [
  {
    host: 'amd-rdna3-desktop',
    devices: ['0000:03:00.0'],
    config: rules(rule('0000:03:00.0', { 2: 64 })),
  },
  {
    host: 'bridge-group',
    devices: ['0000:02:01.0'],
    devicesOfHost: { '0000:02:01.0': { driverOverride: 'e1000' } },
    machine: { interruptRemapping: false },
    config: { allowUnsafeInterrupts: true },
  },
  {
    host: 'i915-sriov',
    devices: ['0000:00:02.1'],
    config: {
      sriov: [
        {
          pf: pci('0000:00:02.0'),
          vfs: 2,
          autoprobe: false,
          functions: [{ vf: 0, scope: 'all', profile: { exec_quantum_ms: '20', contexts_quota: '1024' } }],
        },
      ],
    },
  },
  {
    host: 'igb-nic',
    devices: ['0000:02:10.1'],
    config: {
      sriov: [
        {
          pf: pci('0000:02:00.1'),
          vfs: 2,
          autoprobe: true,
          functions: [{ vf: 0, scope: 'all', mac: '52:54:00:00:00:42', vlan: 42, qos: 3, trust: true }],
        },
      ],
    },
  },
  {
    host: 'intel-arc',
    devices: ['0000:03:00.0', '0000:04:00.0'],
    // The only card that shows anything.
    config: rules(rule('0000:03:00.0', { 2: 256 }, ['boot-vga', 'console'])),
  },
  {
    host: 'intel-gvt-g',
    // The parent's module is loaded for it, and another device goes along.
    devices: [slice('83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'), '0000:00:14.0'],
    config: {
      ...rules(rule('0000:00:14.0', {}, ['last-keyboard'])),
      mdev: [
        { uuid: '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001', parent: 'auto', type: 'GVTg_V5_4', attributes: [] },
      ],
    },
  },
  {
    host: 'lab-q35',
    // The last one is there only once the start has made it.
    devices: ['0000:08:00.0', '0000:07:00.0', '0000:02:10.0'],
    config: {
      ...rules(rule('0000:08:00.0', { 2: 1024 })),
      hugepages: { sizeKb: 2048, count: 64, node: 0 },
      sriov: [{ pf: pci('0000:02:00.0'), vfs: 2, autoprobe: false }],
    },
  },
  {
    host: 'laptop-hybrid',
    devices: ['0000:01:00.0'],
    config: rules(rule('0000:01:00.0', { 1: 256 })),
  },
  { host: 'mi300x-gim', devices: ['0000:05:02.0'] },
  {
    host: 'mlx5-nic',
    devices: ['0000:42:00.2'],
    config: {
      sriov: [
        {
          pf: pci('0000:42:00.0'),
          autoprobe: false,
          unsetMacs: true,
          functions: [{ vf: 0, scope: 'all', mac: '52:54:00:00:00:42', state: 'enable' }],
        },
      ],
    },
  },
  {
    host: 'nvidia-desktop',
    devices: ['0000:01:00.0', '0000:01:00.1'],
    config: rules(rule('0000:01:00.0', { 1: 64 })),
  },
  {
    host: 'nvidia-vgpu-mdev',
    devices: [
      ...[1, 2].map((number) => slice(`5a0e7c1e-9b55-4c2a-9a36-0d2c8f6f410${number}`)),
      '0000:04:00.0',
    ],
    config: {
      ...rules(rule('0000:04:00.0', {}, ['default-route'])),
      mdev: [1, 2].map((number) => ({
        uuid: `5a0e7c1e-9b55-4c2a-9a36-0d2c8f6f410${number}`,
        parent: 'auto',
        type: 'NVIDIA A10-4Q',
        attributes: [],
      })),
    },
  },
  {
    host: 'nvidia-vgpu-server',
    // A slice of one card, and the other card as a whole.
    devices: ['0000:41:00.4', '0000:61:00.0'],
    config: {
      ...rules(rule('0000:61:00.0', { 1: 256 })),
      vgpu: [{ vf: pci('0000:41:00.4'), type: 'L40S-8Q', params: 'frame_rate_limiter=0' }],
    },
  },
  {
    host: 'nvme-host',
    devices: ['0000:03:00.0', { kind: 'nvme', address: pci('0000:04:00.0'), managed: false, namespace: 1 }],
    // The host driver holds it all the same: the override was set after it was bound.
    devicesOfHost: { '0000:04:00.0': { driverOverride: 'pci-stub' } },
  },
  {
    host: 'server-8-gpu',
    // Behind two switches: of two cards behind one, the first to be given back can take the other one's room.
    devices: ['0000:19:00.0', '0000:4d:00.0', '0000:b1:00.2'],
    config: rules(rule('0000:19:00.0', { 1: 64 * 1024 }), rule('0000:4d:00.0', { 1: 512 })),
  },
  { host: 'sriov-nic', devices: ['0000:17:02.1', '0000:17:00.1'] },
  {
    host: 'storage-server',
    devices: [{ kind: 'nvme', address: pci('0000:06:00.0'), managed: false, namespace: 1 }, '0000:00:17.0'],
    // Half of a RAID with a mounted file system.
    config: rules(rule('0000:00:17.0', {}, ['mounted', 'disk-in-use'])),
  },
  {
    host: 'xe-sriov',
    devices: ['0000:04:00.1'],
    config: {
      sriov: [
        {
          pf: pci('0000:04:00.0'),
          vfs: 2,
          autoprobe: false,
          profile: { sched_priority: 'high' },
          functions: [
            { vf: 0, scope: 'all', profile: { vram_quota: String(4 * 2 ** 30), exec_quantum_ms: '10' } },
            { vf: 1, scope: 'all', profile: { vram_quota: String(8 * 2 ** 30) } },
          ],
        },
      ],
    },
  },
];

/**
 * Machines on which nearly all that a start does is no write to a device: deaths at each of its calls are in test/engine
 * (display, nvidia, cpus), where what a person would have to do by hand is not asked for.
 */
export const unswept: readonly string[] = [
  'nvidia-workstation',
  'single-gpu-amd',
  'single-gpu-nvidia',
  'tuned-desktop',
];

/** The subject on a machine. */
export function subjectOn(host: string): Subject {
  const subject = subjects.find((each) => each.host === host);
  if (!subject) throw new Error(`no guest is known for ${host}`);
  return subject;
}

/** Names of all machines in examples/hosts. */
export function exampleHosts(): string[] {
  return readdirSync(fileURLToPath(new URL('../../examples/hosts/', import.meta.url)))
    .map((file) => file.replace(/\.yaml$/, ''))
    .sort();
}
