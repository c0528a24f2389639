import assert from 'node:assert/strict';
import { hintText } from '../../src/hint.ts';
import type { Host, WriteResult } from '../../src/host/host.ts';
import type { FaultEffect } from '../../simulator/faults.ts';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import type { CpufreqSpec, MachineSpec } from '../../simulator/spec.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import { UNSAFE_INTERRUPTS } from '../../src/pci/vfio-state.ts';
import { subjectOf, type Step, type Subject } from '../../src/steps/step.ts';
import type { StepOutcome } from '../../src/steps/definition.ts';
import { describeStep, doStep, stepCommand } from '../../src/steps/index.ts';
import { machineSpec, pci } from '../scenario.ts';

const MIB = 2 ** 20;
const GPU = pci('0000:03:00.0');
const SOUND = pci('0000:03:00.1');
const USB = pci('0000:0f:00.3');
const NVME = pci('0000:04:00.0');
const IGB = pci('0000:02:00.0');
const POOL = '/sys/kernel/mm/hugepages/hugepages-2048kB';
const NODE_POOL = '/sys/devices/system/node/node0/hugepages/hugepages-2048kB';
const at = (device: string, name: string): string => `/sys/bus/pci/devices/${device}/${name}`;

/** One step on a fresh machine: what is said of it, what it writes, and what each way of going wrong comes to. */
interface Row {
  readonly step: Step;
  /** Absent: a desktop. */
  readonly host?: string;
  readonly machine?: Partial<MachineSpec>;
  readonly subject: Subject;
  /** Puts the machine where the step can be done. */
  readonly first?: (machine: Machine) => Promise<void>;
  readonly says: string;
  readonly command: string;
  readonly path: string;
  readonly value: string;
  /** What is wrong when the write lies. */
  readonly lie: string;
  /** Reason for an errno that has a sentence of its own. */
  readonly refused: readonly (readonly [
    errno: Extract<FaultEffect, { kind: 'fail' }>['errno'],
    reason: string,
  ])[];
}

const write =
  (...writes: readonly (readonly [path: string, value: string])[]) =>
  async (machine: Machine): Promise<void> => {
    for (const [path, value] of writes)
      assert.equal((await machine.host().write(path, value, 100)).kind, 'written', path);
  };
const unbindGpu = write(['/sys/bus/pci/drivers/amdgpu/unbind', GPU]);

const PARAMETER = sysfs.moduleParameter('vfio_iommu_type1', UNSAFE_INTERRUPTS);

const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
const SLICE = { uuid: UUID, parent: '0000:41:00.4', type: 'nvidia-593' } as const;
const CREATE = `/sys/class/mdev_bus/${SLICE.parent}/mdev_supported_types/${SLICE.type}/create`;

const POLICY = '/sys/devices/system/cpu/cpufreq/policy2';
const cpufreq: CpufreqSpec = {
  driver: 'intel_pstate',
  policies: 2,
  cpus: 2,
  governors: ['performance', 'powersave'],
  governor: 'powersave',
  epp: 'balance_power',
};

const rows: readonly Row[] = [
  {
    step: { kind: 'create-mdev', ...SLICE },
    host: 'nvidia-vgpu-mdev',
    subject: { kind: 'mdev', key: UUID },
    says: `create mediated device ${UUID} of type nvidia-593 on 0000:41:00.4`,
    command: `echo ${UUID} > ${CREATE}`,
    path: CREATE,
    value: `${UUID}\n`,
    lie: 'there is no such device afterwards',
    refused: [
      ['EUSERS', 'EUSERS (0000:41:00.4 has no room for another one of this type)'],
      ['ENOSPC', 'ENOSPC (0000:41:00.4 has no room for another one of this type)'],
      [
        'EEXIST',
        'EEXIST (there is a device with this UUID, or somebody still has one open that was removed)',
      ],
      ['EINVAL', 'EINVAL (the driver of 0000:41:00.4 does not want it; see: dmesg | tail)'],
      ['EIO', 'EIO (the driver of 0000:41:00.4 does not make it now; see: dmesg | tail)'],
      ['EAGAIN', 'EAGAIN (0000:41:00.4 is losing its driver)'],
    ],
  },
  {
    step: { kind: 'remove-mdev', ...SLICE, available: 0 },
    host: 'nvidia-vgpu-mdev',
    subject: { kind: 'mdev', key: UUID },
    first: write([CREATE, UUID]),
    says: `remove mediated device ${UUID}`,
    command: `echo 1 > /sys/bus/mdev/devices/${UUID}/remove`,
    path: `/sys/bus/mdev/devices/${UUID}/remove`,
    value: '1\n',
    lie: 'it is there afterwards',
    refused: [
      ['EAGAIN', 'EAGAIN (its parent is losing its driver)'],
      ['EIO', 'EIO'],
    ],
  },
  {
    step: { kind: 'set', attribute: 'driver-override', key: GPU, to: 'vfio-pci' },
    subject: { device: GPU },
    says: `set driver override of ${GPU} to vfio-pci`,
    command: `echo vfio-pci > ${at(GPU, 'driver_override')}`,
    path: at(GPU, 'driver_override'),
    value: 'vfio-pci\n',
    lie: 'driver_override reads "(null)" afterwards',
    refused: [
      ['EINVAL', 'EINVAL (the kernel takes no such driver name)'],
      ['ENODEV', 'ENODEV (the device is gone from the bus)'],
    ],
  },
  {
    step: { kind: 'set', attribute: 'driver-override', key: GPU, to: '' },
    subject: { device: GPU },
    first: write([at(GPU, 'driver_override'), 'vfio-pci']),
    says: `clear driver override of ${GPU}`,
    command: `echo > ${at(GPU, 'driver_override')}`,
    path: at(GPU, 'driver_override'),
    value: '\n',
    lie: 'driver_override reads "vfio-pci" afterwards',
    refused: [['ENOMEM', 'ENOMEM']],
  },
  {
    step: { kind: 'unbind', device: GPU, driver: 'amdgpu' },
    subject: { device: GPU },
    says: `unbind ${GPU} from amdgpu`,
    command: `echo ${GPU} > /sys/bus/pci/drivers/amdgpu/unbind`,
    path: '/sys/bus/pci/drivers/amdgpu/unbind',
    value: `${GPU}\n`,
    lie: 'it is bound to amdgpu afterwards',
    refused: [
      ['ENODEV', 'ENODEV (it is not bound to amdgpu any more)'],
      ['EACCES', 'EACCES (the driver amdgpu cannot be unbound by hand)'],
      ['EIO', 'EIO'],
    ],
  },
  {
    step: { kind: 'bind', device: GPU, driver: 'amdgpu' },
    subject: { device: GPU },
    first: unbindGpu,
    says: `bind ${GPU} to amdgpu`,
    command: `echo ${GPU} > /sys/bus/pci/drivers/amdgpu/bind`,
    path: '/sys/bus/pci/drivers/amdgpu/bind',
    value: `${GPU}\n`,
    lie: 'it is driverless afterwards',
    refused: [
      ['EBUSY', 'EBUSY (another driver took it meanwhile, or a guest owns its IOMMU group)'],
      ['ENODEV', 'ENODEV (amdgpu does not accept the device, or its driver override names another driver)'],
      ['EAGAIN', 'EAGAIN (amdgpu waits for another device first)'],
    ],
  },
  {
    step: { kind: 'resize-bar', device: GPU, bar: 2, from: 256 * MIB, to: 8 * MIB },
    subject: { device: GPU },
    first: unbindGpu,
    says: `resize BAR 2 of ${GPU} from 256 MiB to 8 MiB`,
    command: `echo 3 > ${at(GPU, 'resource2_resize')}`,
    path: at(GPU, 'resource2_resize'),
    value: '3\n',
    lie: 'it is 256 MiB afterwards',
    refused: [
      ['EBUSY', 'EBUSY (a driver still holds the device)'],
      ['EINVAL', 'EINVAL (the device does not offer this size)'],
      ['ENOTSUPP', 'ENOTSUPP (the firmware forbids moving the BARs)'],
    ],
  },
  {
    step: { kind: 'set', attribute: 'power-control', key: SOUND, to: 'on' },
    subject: { device: SOUND },
    says: `set power control of ${SOUND} to on`,
    command: `echo on > ${at(SOUND, 'power/control')}`,
    path: at(SOUND, 'power/control'),
    value: 'on\n',
    lie: 'power/control reads "auto" afterwards',
    refused: [['ENODEV', 'ENODEV (the device is gone from the bus)']],
  },
  {
    step: { kind: 'set', attribute: 'reset-methods', key: NVME, to: 'bus' },
    subject: { device: NVME },
    says: `set reset methods of ${NVME} to bus`,
    command: `echo "bus" > ${at(NVME, 'reset_method')}`,
    path: at(NVME, 'reset_method'),
    value: 'bus\n',
    lie: 'reset_method reads "flr bus" afterwards',
    refused: [['EINVAL', 'EINVAL (the device does not have one of these methods)']],
  },
  {
    step: { kind: 'set', attribute: 'reset-methods', key: NVME, to: '' },
    subject: { device: NVME },
    says: `set reset methods of ${NVME} to none`,
    command: `echo "" > ${at(NVME, 'reset_method')}`,
    path: at(NVME, 'reset_method'),
    value: '\n',
    lie: 'reset_method reads "flr bus" afterwards',
    refused: [],
  },
  {
    step: { kind: 'set', attribute: 'd3cold-allowed', key: NVME, to: '0' },
    subject: { device: NVME },
    says: `set d3cold_allowed of ${NVME} to 0`,
    command: `echo 0 > ${at(NVME, 'd3cold_allowed')}`,
    path: at(NVME, 'd3cold_allowed'),
    value: '0\n',
    lie: 'd3cold_allowed reads "1" afterwards',
    refused: [['ENOENT', 'ENOENT (the device is gone from the bus)']],
  },
  {
    step: { kind: 'load-module', module: 'vfio-pci', driver: 'vfio-pci', blacklist: 'obeyed' },
    subject: { kind: 'module', key: 'vfio-pci' },
    says: 'load module vfio-pci',
    command: 'modprobe -b vfio-pci',
    path: 'vfio-pci',
    value: '',
    lie: 'there is no PCI driver "vfio-pci" after modprobe; a blacklist line in /etc/modprobe.d may name vfio-pci',
    refused: [['EPERM', 'could not load module vfio-pci: EPERM']],
  },
  {
    step: {
      kind: 'set',
      attribute: 'module-parameter',
      key: `vfio_iommu_type1 ${UNSAFE_INTERRUPTS}`,
      to: 'Y',
    },
    subject: { kind: 'module-parameter', key: `vfio_iommu_type1 ${UNSAFE_INTERRUPTS}` },
    first: async (machine) => {
      await machine.host().loadModule('vfio_iommu_type1', 1000);
    },
    says: 'set parameter allow_unsafe_interrupts of vfio_iommu_type1 to Y',
    command: `echo Y > ${PARAMETER}`,
    path: PARAMETER,
    value: 'Y\n',
    lie: 'the parameter reads "N" afterwards',
    refused: [
      ['EACCES', 'EACCES (the parameter cannot be changed)'],
      ['EIO', 'EIO'],
    ],
  },
  {
    step: { kind: 'set', attribute: 'hugepages', key: '2048kB node0', to: '512' },
    host: 'lab-q35',
    subject: { kind: 'hugepages', key: '2048kB node0' },
    says: 'set huge pages of 2 MiB on node 0 to 512',
    command: `echo 512 > ${NODE_POOL}/nr_hugepages`,
    path: `${NODE_POOL}/nr_hugepages`,
    value: '512\n',
    lie: 'there is unbroken memory for 0 only',
    refused: [
      ['EINVAL', 'EINVAL (this kernel makes no pages of that size while it runs)'],
      ['ENOENT', 'ENOENT (this kernel has no such pool)'],
    ],
  },
  {
    step: { kind: 'set', attribute: 'hugepages', key: '2048kB', to: '3' },
    host: 'lab-q35',
    subject: { kind: 'hugepages', key: '2048kB' },
    first: write([`${POOL}/nr_hugepages`, '10']),
    says: 'set huge pages of 2 MiB to 3',
    command: `echo 3 > ${POOL}/nr_hugepages`,
    path: `${POOL}/nr_hugepages`,
    value: '3\n',
    lie: 'the pool has 10 pages afterwards',
    refused: [],
  },
  {
    step: { kind: 'set', attribute: 'governor', key: 'policy2', to: 'performance' },
    host: 'lab-q35',
    machine: { cpufreq },
    subject: { kind: 'governor', key: 'policy2' },
    says: 'set governor of CPU frequency policy2 to performance',
    command: `echo performance > ${POLICY}/scaling_governor`,
    path: `${POLICY}/scaling_governor`,
    value: 'performance\n',
    lie: 'scaling_governor reads "powersave" afterwards',
    refused: [
      ['EINVAL', 'EINVAL (the kernel offers no such governor for these CPUs)'],
      ['EBUSY', 'EBUSY (all its CPUs are offline)'],
      ['ENOENT', 'ENOENT (policy2 is gone, or its driver has no such attribute)'],
    ],
  },
  {
    step: { kind: 'set', attribute: 'energy-preference', key: 'policy2', to: 'power' },
    host: 'lab-q35',
    machine: { cpufreq },
    subject: { kind: 'energy-preference', key: 'policy2' },
    says: 'set energy-performance preference of CPU frequency policy2 to power',
    command: `echo power > ${POLICY}/energy_performance_preference`,
    path: `${POLICY}/energy_performance_preference`,
    value: 'power\n',
    lie: 'energy_performance_preference reads "balance_power" afterwards',
    refused: [
      ['EINVAL', 'EINVAL (the driver knows no such preference)'],
      ['EBUSY', 'EBUSY (the governor performance allows no other, or all its CPUs are offline)'],
    ],
  },
  {
    step: { kind: 'set', attribute: 'vfs', key: IGB, to: '4' },
    host: 'lab-q35',
    subject: { device: IGB },
    says: `set number of virtual functions of ${IGB} to 4`,
    command: `echo 4 > ${at(IGB, 'sriov_numvfs')}`,
    path: at(IGB, 'sriov_numvfs'),
    value: '4\n',
    lie: 'sriov_numvfs reads "0" afterwards',
    refused: [
      ['ENOENT', 'ENOENT (its driver makes no virtual functions)'],
      ['EBUSY', 'EBUSY (it has others already, or its driver is in a mode that allows none)'],
      ['ERANGE', 'ERANGE (it cannot have so many)'],
      [
        'ENOMEM',
        'ENOMEM (the firmware has left no room for their memory or their bus numbers: in its setup, turn on "Above 4G decoding" and SR-IOV)',
      ],
      ['ENODEV', 'ENODEV (the device is gone from the bus)'],
    ],
  },
  {
    step: { kind: 'set', attribute: 'vfs-autoprobe', key: IGB, to: '0' },
    host: 'lab-q35',
    subject: { device: IGB },
    says: `set automatic drivers of virtual functions of ${IGB} to 0`,
    command: `echo 0 > ${at(IGB, 'sriov_drivers_autoprobe')}`,
    path: at(IGB, 'sriov_drivers_autoprobe'),
    value: '0\n',
    lie: 'sriov_drivers_autoprobe reads "1" afterwards',
    refused: [['ENODEV', 'ENODEV (the device is gone from the bus)']],
  },
];

async function machineFor(row: Row): Promise<Machine> {
  const machine = createMachine(machineSpec(row.host ?? 'amd-rdna3-desktop', row.machine));
  await row.first?.(machine);
  return machine;
}

describe('doStep', () => {
  for (const row of rows) {
    const { step, subject, says, command, path, value } = row;
    describe(says, () => {
      const run = (machine: Machine): Promise<StepOutcome> => doStep(step, machine.host(), 1000);
      const on = step.kind === 'load-module' ? 'load' : 'write';

      it('says what it does, also as a shell user would type it', () => {
        assert.equal(describeStep(step), says);
        assert.equal(stepCommand(step), command);
        assert.deepEqual(subjectOf(step), subject);
      });

      it('makes one write, and none when the host is so already', async () => {
        const machine = await machineFor(row);
        const seen = machine.journal().length;
        assert.deepEqual(await run(machine), { kind: 'done' });
        const journal = machine.journal().slice(seen);
        assert.deepEqual(
          journal.map((entry) => [entry.path, entry.value, entry.result]),
          [[path, value, 'ok']],
        );
        assert.deepEqual(await run(machine), { kind: 'skipped' });
        assert.equal(machine.journal().length, seen + 1);
      });

      it('finds out a write that only says that it succeeded', async () => {
        const machine = await machineFor(row);
        machine.perform({ do: 'fault', rule: { on, path, effect: { kind: 'lie' } } });
        assert.deepEqual(await run(machine), {
          kind: 'failed',
          reason: `the kernel reported success, but ${row.lie}`,
        });
      });

      it('names a write that does not return, and who waits in it', async () => {
        const machine = await machineFor(row);
        machine.perform({ do: 'fault', rule: { on, path, effect: { kind: 'hang' } } });
        const outcome = await run(machine);
        assert.equal(outcome.kind, 'stuck');
        assert.equal(outcome.path, step.kind === 'load-module' ? command : path);
        assert.ok(machine.host().isAlive(outcome.writer));
      });

      for (const [errno, reason] of row.refused) {
        it(`says what ${errno} means here`, async () => {
          const machine = await machineFor(row);
          machine.perform({ do: 'fault', rule: { on, path, effect: { kind: 'fail', errno } } });
          const outcome = await run(machine);
          assert.equal(outcome.kind, 'failed');
          assert.equal(outcome.reason, reason);
          assert.equal(outcome.errno, step.kind === 'load-module' ? undefined : errno);
        });
      }

      it('takes a refused write for done when the host is as wished all the same', async () => {
        if (step.kind === 'load-module') return;
        const machine = await machineFor(row);
        const real = machine.host();
        // Two processes do the same in the same moment: the other one was faster, and this one is told EBUSY.
        const beaten: Host = {
          ...real,
          write: async (...call): Promise<WriteResult> => {
            await real.write(...call);
            return { kind: 'refused', errno: 'EBUSY' };
          },
        };
        assert.deepEqual(await doStep(step, beaten, 1000), { kind: 'done' });
      });
    });
  }

  const gone = pci('0000:7f:00.0');
  const withoutDevice: readonly (readonly [step: Step, reason: RegExp])[] = [
    [
      { kind: 'set', attribute: 'driver-override', key: gone, to: 'vfio-pci' },
      /^ENOENT \(the device is gone from the bus\)$/,
    ],
    [
      { kind: 'set', attribute: 'driver-override', key: gone, to: '' },
      /^ENOENT \(the device is gone from the bus\)$/,
    ],
    [{ kind: 'bind', device: gone, driver: 'amdgpu' }, /^ENODEV/],
    [{ kind: 'bind', device: GPU, driver: 'nothing' }, /^ENOENT \(there is no driver nothing\)$/],
    [{ kind: 'unbind', device: GPU, driver: 'nothing' }, /^ENOENT \(there is no driver nothing any more\)$/],
    [{ kind: 'resize-bar', device: gone, bar: 0, from: 0, to: MIB }, /^ENOENT/],
    [{ kind: 'set', attribute: 'power-control', key: gone, to: 'on' }, /^ENOENT/],
    [{ kind: 'set', attribute: 'reset-methods', key: gone, to: 'flr' }, /^ENOENT/],
    [
      { kind: 'set', attribute: 'module-parameter', key: `vfio_iommu_type1 ${UNSAFE_INTERRUPTS}`, to: 'Y' },
      /^ENOENT \(vfio_iommu_type1 is not loaded, or has no such parameter\)$/,
    ],
    [
      { kind: 'load-module', module: 'nothing', driver: 'nothing', blacklist: 'overruled' },
      /^Module nothing not found$/,
    ],
  ];
  for (const [step, reason] of withoutDevice) {
    it(`fails where there is nothing: ${describeStep(step)}`, async () => {
      const outcome = await doStep(step, createMachine(machineSpec('amd-rdna3-desktop')).host(), 1000);
      assert.equal(outcome.kind, 'failed');
      assert.match(outcome.reason, reason);
    });
  }

  describe('a mediated device', () => {
    const host = 'nvidia-vgpu-mdev';
    const there = async (): Promise<Machine> => {
      const machine = createMachine(machineSpec(host));
      await write([CREATE, UUID])(machine);
      return machine;
    };
    const attribute: Step = {
      kind: 'set-mdev-attribute',
      uuid: UUID,
      name: 'nvidia/vgpu_params',
      to: "a='b'",
    };
    const file = `/sys/bus/mdev/devices/${UUID}/nvidia/vgpu_params`;

    it('gets an attribute, each time that it is written', async () => {
      const machine = await there();
      assert.equal(describeStep(attribute), `write "a='b'" to nvidia/vgpu_params of mediated device ${UUID}`);
      assert.equal(stepCommand(attribute), `echo 'a='\\''b'\\''' > ${file}`);
      assert.deepEqual(subjectOf(attribute), { kind: 'mdev', key: UUID });
      for (let time = 0; time < 2; time += 1)
        assert.deepEqual(await doStep(attribute, machine.host(), 1000), { kind: 'done' });
      assert.equal(machine.host().read(file), "a='b'\n");
      assert.equal(machine.journal().filter(({ path }) => path === file).length, 2);
    });

    it('has no attribute that its driver refuses, or that it has not', async () => {
      const machine = await there();
      machine.perform({ do: 'fault', rule: { path: file, effect: { kind: 'fail', errno: 'EPERM' } } });
      assert.deepEqual(await doStep(attribute, machine.host(), 1000), {
        kind: 'failed',
        reason: "EPERM (the parent's driver does not take it now)",
      });
      assert.deepEqual(await doStep({ ...attribute, name: 'nvidia/x' }, machine.host(), 1000), {
        kind: 'failed',
        reason: 'ENOENT (the device has no such file)',
      });
    });

    it('is not removed while it is open', async () => {
      const machine = await there();
      machine.perform({ do: 'open-group', devices: [], mdevs: [UUID], guest: 'a', pid: 4711 });
      const before = machine.journal().length;
      const outcome = await doStep({ kind: 'remove-mdev', ...SLICE, available: 0 }, machine.host(), 1000);
      assert.deepEqual(outcome, { kind: 'failed', reason: 'it is open in guest "a" (pid 4711)' });
      assert.equal(machine.journal().length, before);
    });

    it('is not gone while its instance is not free, whatever its directory says', async () => {
      const machine = await there();
      machine.perform({ do: 'open-group', devices: [], mdevs: [UUID], guest: 'a' });
      const waiting = await machine.host().write(`/sys/bus/mdev/devices/${UUID}/remove`, '1', 10);
      assert.equal(waiting.kind, 'stuck');
      assert.deepEqual(machine.host().list('/sys/bus/mdev/devices'), []);
      const step: Step = { kind: 'remove-mdev', ...SLICE, available: 0 };
      assert.deepEqual(await doStep(step, machine.host(), 1000), {
        kind: 'failed',
        reason: 'ENOENT (it is gone, or somebody has begun to remove it)',
        errno: 'ENOENT',
      });
      machine.perform({ do: 'close-group', guest: 'a' });
      assert.deepEqual(await doStep(step, machine.host(), 1000), { kind: 'skipped' });
    });

    it('is not of a type that the parent has not, and what it has is said', async () => {
      const machine = createMachine(machineSpec(host));
      const outcome = await doStep({ kind: 'create-mdev', ...SLICE, type: 'nvidia-1' }, machine.host(), 1000);
      assert.equal(outcome.kind, 'failed');
      assert.equal(
        outcome.reason,
        '0000:41:00.4 offers no such type; it has nvidia-591 (NVIDIA A10-2Q), nvidia-593 (NVIDIA A10-4Q), nvidia-595 (NVIDIA A10-8Q)',
      );
      const none = await doStep({ kind: 'create-mdev', ...SLICE, parent: 'x' }, machine.host(), 1000);
      assert.equal(none.kind === 'failed' && none.reason, 'x offers no mediated devices');
    });
  });

  describe('huge pages', () => {
    const step: Step = { kind: 'set', attribute: 'hugepages', key: '2048kB', to: '4' };
    const map = { do: 'map-pages', program: 'qemu', sizeKb: 2048, pages: 6 } as const;

    it('are there when the pool keeps so many, whatever is lent to it besides', async () => {
      const machine = createMachine(machineSpec('lab-q35'));
      const host = machine.host();
      await host.write(`${POOL}/nr_hugepages`, '8', 100);
      machine.perform(map);
      assert.deepEqual(await doStep(step, host, 1000), { kind: 'done' });
      assert.equal(host.read(`${POOL}/nr_hugepages`), '6\n');
      assert.deepEqual(await doStep(step, host, 1000), { kind: 'skipped' });
    });

    it('are fewer than asked for where memory is short: the kernel says nothing of it', async () => {
      const outcome = await doStep(
        { ...step, to: '4096' },
        createMachine(machineSpec('lab-q35')).host(),
        1000,
      );
      assert.deepEqual(outcome, {
        kind: 'failed',
        reason: 'the kernel reported success, but there is unbroken memory for 1024 only',
      });
    });
  });

  describe('compacting the memory', () => {
    it('is one write, of a node or of all of them, and says nothing of what came of it', async () => {
      const host = createMachine(machineSpec('lab-q35')).host();
      const rows: readonly (readonly [step: Step, says: string, path: string])[] = [
        [{ kind: 'compact-memory' }, 'compact the memory', '/proc/sys/vm/compact_memory'],
        [
          { kind: 'compact-memory', node: 0 },
          'compact the memory of node 0',
          '/sys/devices/system/node/node0/compact',
        ],
      ];
      for (const [step, says, path] of rows) {
        assert.equal(describeStep(step), says);
        assert.equal(stepCommand(step), `echo 1 > ${path}`);
        assert.deepEqual(await doStep(step, host, 1000), { kind: 'done' });
      }
    });

    it('is not what a start fails for: the pages that are made next decide', async () => {
      const machine = createMachine(machineSpec('lab-q35'));
      machine.perform({ do: 'fault', rule: { effect: { kind: 'fail', errno: 'EIO' } } });
      assert.deepEqual(await doStep({ kind: 'compact-memory' }, machine.host(), 1000), { kind: 'done' });
    });

    it('is about the memory, which is no device', () => {
      assert.deepEqual(subjectOf({ kind: 'compact-memory', node: 1 }), { kind: 'memory', key: 'node1' });
      assert.deepEqual(subjectOf({ kind: 'compact-memory' }), { kind: 'memory', key: 'all nodes' });
    });
  });

  describe('taking virtual functions away', () => {
    const VF = '0000:02:10.0';
    const step: Step = { kind: 'set', attribute: 'vfs', key: IGB, to: '0' };

    it('is not tried while a guest has one open: the kernel would wait for it, and every rescan for the kernel', async () => {
      const machine = createMachine(machineSpec('lab-q35'));
      const host = machine.host();
      await write(
        [at(IGB, 'sriov_numvfs'), '2'],
        [at(VF, 'driver_override'), 'vfio-pci'],
        ['/sys/bus/pci/drivers_probe', VF],
      )(machine);
      machine.perform({ do: 'open-group', devices: [VF], guest: 'a', pid: 4711 });
      const seen = machine.journal().length;
      assert.deepEqual(await doStep(step, host, 1000), {
        kind: 'failed',
        reason: `${VF} is open in guest "a" (pid 4711)`,
      });
      assert.equal(machine.journal().length, seen);
      machine.perform({ do: 'close-group', guest: 'a' });
      assert.deepEqual(await doStep(step, host, 1000), { kind: 'done' });
    });
  });

  it('refuses a BAR size that is no power of two before it writes anything', async () => {
    const machine = createMachine(machineSpec('amd-rdna3-desktop'));
    const step: Step = { kind: 'resize-bar', device: GPU, bar: 2, from: 256 * MIB, to: 3 * MIB };
    assert.deepEqual(await doStep(step, machine.host(), 1000), {
      kind: 'failed',
      reason: '3 MiB is no size that a BAR can have',
    });
    assert.match(stepCommand(step), /^echo \? > /);
    assert.deepEqual(machine.journal(), []);
  });

  it('does not take the missing link of a device that is being unbound for an unbound device when asked to bind it', async () => {
    const machine = createMachine(machineSpec('amd-rdna3-desktop'));
    machine.perform({ do: 'hold-node', path: '/dev/snd/controlC1', program: 'pipewire' });
    const host = machine.host();
    assert.equal(
      (await doStep({ kind: 'unbind', device: SOUND, driver: 'snd_hda_intel' }, host, 100)).kind,
      'stuck',
    );
    assert.equal(
      (await doStep({ kind: 'bind', device: SOUND, driver: 'snd_hda_intel' }, host, 100)).kind,
      'stuck',
    );
  });

  it('says that the kernel is busy when a read of the override does not return (Linux 6.1)', async () => {
    const machine = createMachine(machineSpec('amd-rdna3-desktop', { kernel: '6.1' }));
    machine.perform({ do: 'hold-node', path: '/dev/snd/controlC1', program: 'pipewire' });
    const host = machine.host();
    await doStep({ kind: 'unbind', device: SOUND, driver: 'snd_hda_intel' }, host, 100);
    const outcome = await doStep(
      { kind: 'set', attribute: 'driver-override', key: SOUND, to: 'vfio-pci' },
      host,
      100,
    );
    assert.equal(outcome.kind, 'stuck');
    const silent: Host = {
      ...host,
      readLocked: (paths) => Promise.resolve({ kind: 'stuck', path: paths[0]! }),
    };
    assert.deepEqual(
      await doStep({ kind: 'set', attribute: 'driver-override', key: USB, to: 'vfio-pci' }, silent, 100),
      {
        kind: 'failed',
        reason:
          'the kernel reported success, but the kernel does not answer: it is busy adding or removing the device',
      },
    );
  });

  it('sees that another function of the card has lost a BAR over a resize that succeeded', async () => {
    const machine = createMachine(machineSpec('amd-rdna3-desktop'));
    await unbindGpu(machine);
    const host = machine.host();
    const path = at(SOUND, 'resource');
    const none = '0x0000000000000000';
    const gone = host.read(path)!.replace(/^.*/, [none, none, none].join(' '));
    let written = false;
    const forgetful: Host = {
      ...host,
      read: (each) => (written && each === path ? gone : host.read(each)),
      write: async (...args) => {
        written = true;
        return host.write(...args);
      },
    };
    const step: Step = { kind: 'resize-bar', device: GPU, bar: 2, from: 256 * MIB, to: 8 * MIB };
    const outcome = await doStep(step, forgetful, 1000);
    assert.equal(outcome.kind, 'failed');
    assert.equal(outcome.reason, `the kernel lost BAR 0 of ${SOUND} over it`);
  });

  for (const [rollback, lost] of [
    ['weak', `BAR 2 of ${GPU}`],
    ['lost', `BAR 0 of ${GPU} and BAR 2 of ${GPU}`],
  ] as const) {
    it(`sees which BARs the kernel has lost over a resize, roll-back ${rollback}`, async () => {
      const spec = machineSpec('amd-rdna3-desktop', {
        resizeRollback: rollback,
        window: { start: 512 * 2 ** 30, size: 17 * 2 ** 30 },
      });
      const machine = createMachine(spec);
      await unbindGpu(machine);
      const step: Step = { kind: 'resize-bar', device: GPU, bar: 0, from: 16 * 2 ** 30, to: 32 * 2 ** 30 };
      const outcome = await doStep(step, machine.host(), 1000);
      assert.equal(outcome.kind, 'failed');
      assert.ok(
        outcome.reason.startsWith(`the kernel lost ${lost} over it (ENOSPC (the bridge above has no room`),
        outcome.reason,
      );
      assert.deepEqual(outcome.hints?.map(hintText), [
        `bring the BARs back once nothing uses the card: echo 1 > ${at(GPU, 'remove')}; echo 1 > /sys/bus/pci/rescan`,
      ]);
    });
  }
});
