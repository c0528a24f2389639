import assert from 'node:assert/strict';
import type { ClaimedDevice, Original } from '../../src/claim/claim.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import type { Snapshot } from '../../src/pci/snapshot.ts';
import { planRestore } from '../../src/plan/restore.ts';
import { describeStep } from '../../src/steps/index.ts';
import { at, audio, claimOf, driverless, gpu, MIB, snapshot } from './snapshots.ts';

/** The GPU as it is while a guest has it. */
const away = (facts: Partial<PciDevice> = {}): PciDevice =>
  gpu({ driver: 'vfio-pci', onVfio: true, driverOverride: 'vfio-pci', powerControl: 'auto', ...facts });
const small = [{ index: 2, size: 8 * MIB, flags: 1, sizes: [8 * MIB, 256 * MIB] }];
const large = [{ bar: 2, size: 256 * MIB }];

function claimed(original: Partial<Original> = {}, facts: Partial<ClaimedDevice> = {}): ClaimedDevice {
  return {
    address: at('03:00.0'),
    group: 1,
    vendor: '1002',
    device: '744c',
    driver: 'vfio-pci',
    original: { driver: 'amdgpu', module: 'amdgpu', bars: [], powerControl: 'on', ...original },
    ...facts,
  };
}

interface Row {
  readonly name: string;
  readonly claim: readonly ClaimedDevice[];
  readonly now: readonly PciDevice[];
  readonly facts?: Partial<Snapshot>;
  readonly expect: readonly string[];
  readonly notes?: readonly string[];
  readonly left?: readonly string[];
}

const clear = 'clear driver override of 0000:03:00.0';
const off = 'unbind 0000:03:00.0 from vfio-pci';
const home = 'bind 0000:03:00.0 to amdgpu';
const powerOn = 'set power control of 0000:03:00.0 to on';
const driverlessOriginal: Original = { bars: [], powerControl: 'on' };

const rows: readonly Row[] = [
  {
    name: 'gives the device back to its driver',
    claim: [claimed()],
    now: [away()],
    expect: [off, clear, home, powerOn],
  },
  {
    name: 'has nothing to do when everything is back',
    claim: [claimed()],
    now: [gpu()],
    expect: [],
  },
  {
    name: 'resizes the BAR back between the drivers',
    claim: [claimed({ bars: large })],
    now: [away({ bars: small })],
    expect: [off, 'resize BAR 2 of 0000:03:00.0 from 8 MiB to 256 MiB', clear, home, powerOn],
  },
  {
    name: 'puts a previous override back before the bind when it names the driver',
    claim: [claimed({ driverOverride: 'amdgpu' })],
    now: [away()],
    expect: [off, 'set driver override of 0000:03:00.0 to amdgpu', home, powerOn],
  },
  {
    name: 'puts a previous override back after the bind when it names another driver',
    claim: [claimed({ driverOverride: 'nouveau' })],
    now: [away()],
    expect: [off, clear, home, 'set driver override of 0000:03:00.0 to nouveau', powerOn],
  },
  {
    name: 'makes an originally driverless device driverless again',
    claim: [claimed({}, { original: driverlessOriginal })],
    now: [away()],
    expect: [off, clear, powerOn],
  },
  {
    name: 'gives a device that was on vfio-pci its BAR back and binds it to vfio-pci again',
    claim: [claimed({ driver: 'vfio-pci', bars: large, powerControl: 'auto' })],
    now: [away({ bars: small })],
    expect: [
      off,
      'resize BAR 2 of 0000:03:00.0 from 8 MiB to 256 MiB',
      clear,
      'bind 0000:03:00.0 to vfio-pci',
      'set power control of 0000:03:00.0 to auto',
    ],
  },
  {
    name: 'leaves a device that stayed on vfio-pci',
    claim: [claimed({ driver: 'vfio-pci', driverOverride: 'vfio-pci', powerControl: 'auto' }, {})],
    now: [away()],
    expect: [],
  },
  {
    name: 'clears what a run that died before the first unbind has set',
    claim: [claimed()],
    now: [gpu({ driverOverride: 'vfio-pci' })],
    expect: [clear],
  },
  {
    name: 'binds what a run that died after the unbind has left driverless',
    claim: [claimed({ bars: large })],
    now: [driverless(away({ bars: small }))],
    expect: ['resize BAR 2 of 0000:03:00.0 from 8 MiB to 256 MiB', clear, home, powerOn],
  },
  {
    name: 'gives back what libvirt could not (a vfio driver that is not ours)',
    claim: [claimed()],
    now: [away({ driver: 'mlx5_vfio_pci', driverOverride: 'mlx5_vfio_pci' })],
    expect: ['unbind 0000:03:00.0 from mlx5_vfio_pci', clear, home, powerOn],
  },
  {
    name: 'puts back an override that libvirt wiped when it gave the device back itself',
    claim: [claimed({ driverOverride: 'amdgpu' })],
    now: [gpu()],
    expect: ['set driver override of 0000:03:00.0 to amdgpu'],
  },
  {
    name: 'unbinds the highest function first and binds the lowest first',
    claim: [claimed(), { ...claimed({ driver: 'snd_hda_intel' }), address: at('03:00.1'), device: 'ab30' }],
    now: [away(), audio({ driver: 'vfio-pci', onVfio: true })],
    expect: [
      'unbind 0000:03:00.1 from vfio-pci',
      off,
      clear,
      home,
      'bind 0000:03:00.1 to snd_hda_intel',
      powerOn,
      'set power control of 0000:03:00.1 to on',
    ],
  },
  {
    name: 'loads the host driver’s module when it is gone, while the device is still on vfio-pci',
    claim: [claimed()],
    now: [away()],
    facts: { drivers: ['vfio-pci'] },
    expect: ['load module amdgpu', off, clear, home, powerOn],
  },
  {
    name: 'puts the reset methods back',
    claim: [claimed({ resetMethods: ['device_specific', 'bus'] })],
    now: [gpu({ resetMethods: ['bus'] })],
    expect: ['set reset methods of 0000:03:00.0 to device_specific bus'],
  },
  {
    name: 'leaves a device that somebody bound to a third driver',
    claim: [claimed()],
    now: [gpu({ driver: 'nouveau' })],
    expect: [],
    notes: ['0000:03:00.0 was bound to "nouveau" by somebody else meanwhile'],
  },
  {
    name: 'does not take a device from its host driver to resize a BAR',
    claim: [claimed({ bars: large })],
    now: [gpu({ bars: small, driverOverride: 'vfio-pci' })],
    expect: [clear],
    left: [
      '0000:03:00.0 was given to "amdgpu" by somebody else meanwhile: BAR 2 is still 8 MiB and was 256 MiB; to have that back, take it from the driver first: echo 0000:03:00.0 > /sys/bus/pci/drivers/amdgpu/unbind',
    ],
  },
  {
    name: 'does not forget the size of a BAR when a third driver has the device',
    claim: [claimed({ bars: large })],
    now: [gpu({ bars: small, driver: 'nouveau', driverOverride: 'nouveau' })],
    expect: [],
    left: [
      '0000:03:00.0 was given to "nouveau" by somebody else meanwhile: BAR 2 is still 8 MiB and was 256 MiB; to have that back, take it from the driver first: echo 0000:03:00.0 > /sys/bus/pci/drivers/nouveau/unbind',
    ],
  },
  {
    name: 'says that a device is gone',
    claim: [claimed()],
    now: [],
    expect: [],
    notes: ['0000:03:00.0 is gone from the bus'],
  },
  {
    name: 'leaves another card at the address alone',
    claim: [claimed()],
    now: [away({ device: '1234' })],
    expect: [],
    notes: ['another device sits at 0000:03:00.0 now (1002:1234)'],
  },
  {
    name: 'puts back how it is reset and whether it may lose its power, where that is known and there',
    claim: [claimed({ resetMethods: ['flr', 'bus'], d3coldAllowed: true })],
    now: [gpu({ resetMethods: ['bus'], d3coldAllowed: false })],
    expect: ['set reset methods of 0000:03:00.0 to flr bus', 'set d3cold_allowed of 0000:03:00.0 to 1'],
  },
  {
    name: 'leaves whether it may lose its power where nobody has changed it for the guest',
    claim: [claimed({ resetMethods: ['flr'] })],
    now: [gpu({ resetMethods: ['flr'], d3coldAllowed: false })],
    expect: [],
  },
  {
    name: 'takes the list without bus for back where the device is not alone',
    claim: [claimed({ resetMethods: ['flr', 'bus'] })],
    now: [gpu({ resetMethods: ['flr'], sharesBus: true })],
    expect: [],
  },
  {
    name: 'puts them back under a driver that somebody else has bound',
    claim: [claimed({ resetMethods: ['flr'], d3coldAllowed: true, powerControl: 'auto' })],
    now: [gpu({ driver: 'nouveau', resetMethods: [], d3coldAllowed: false })],
    expect: ['set reset methods of 0000:03:00.0 to flr', 'set d3cold_allowed of 0000:03:00.0 to 1'],
    notes: ['0000:03:00.0 was bound to "nouveau" by somebody else meanwhile'],
  },
  {
    name: 'puts back of a device that libvirt has chosen what is its own, and nothing else',
    claim: [claimed({ resetMethods: ['flr'], powerControl: 'auto' }, { chosen: true })],
    now: [away({ resetMethods: [] })],
    expect: ['set reset methods of 0000:03:00.0 to flr'],
    notes: ['0000:03:00.0 is still on vfio-pci: libvirt, which took it, has not given it back'],
  },
  {
    name: 'touches no other card that sits where the one was that libvirt had chosen',
    claim: [claimed({ resetMethods: ['flr'] }, { chosen: true })],
    now: [gpu({ device: '1234', resetMethods: [] })],
    expect: [],
  },
];

describe('planRestore', () => {
  for (const { name, claim, now, facts, expect, notes = [], left = [] } of rows) {
    it(name, () => {
      const made = planRestore(claimOf(claim), snapshot(now, facts));
      assert.deepEqual(made.steps.map(describeStep), expect);
      assert.deepEqual(made.notes, notes);
      assert.deepEqual(made.left, left);
    });
  }

  it('loads a module once for all its devices', () => {
    const both = [claimed(), { ...claimed(), address: at('03:00.1'), device: 'ab30' }];
    const now = [away(), audio({ driver: 'vfio-pci', onVfio: true })];
    const { steps } = planRestore(claimOf(both), snapshot(now, { drivers: ['vfio-pci'] }));
    assert.equal(steps.filter(({ kind }) => kind === 'load-module').length, 1);
  });
});
