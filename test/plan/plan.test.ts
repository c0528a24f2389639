import assert from 'node:assert/strict';
import { hintText } from '../../src/hint.ts';
import type { PlanInput } from '../../src/plan/plan.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import type { Snapshot } from '../../src/pci/snapshot.ts';
import {
  assigned,
  at,
  audio,
  barWish,
  claimOf,
  device,
  driverless,
  gpu,
  guest,
  lines,
  MIB,
  planFor,
  verdictLine,
} from './snapshots.ts';

interface Row {
  readonly name: string;
  readonly devices: readonly PciDevice[];
  readonly input?: Partial<PlanInput> & { facts?: Partial<Snapshot> };
  readonly expect: readonly string[];
}

const override = (address: string): string => `set driver override of 0000:${address} to vfio-pci`;
const bridge = (facts: Partial<PciDevice> = {}): PciDevice =>
  device('02:00.0', { class: '060400', headerType: 'bridge', driver: 'pcieport', ...facts });
const oldGuest = { kind: 'guest', name: 'old', uuid: '00000000-0000-4000-8000-000000000002' } as const;

const plans: readonly Row[] = [
  {
    name: 'moves the whole group though only the graphics function is assigned',
    devices: [gpu(), audio()],
    expect: [
      override('03:00.0'),
      override('03:00.1'),
      'unbind 0000:03:00.1 from snd_hda_intel',
      'unbind 0000:03:00.0 from amdgpu',
      'bind 0000:03:00.0 to vfio-pci',
      'bind 0000:03:00.1 to vfio-pci',
    ],
  },
  {
    name: 'resizes the BAR while no driver holds the device',
    devices: [gpu(), audio()],
    input: { wishesFor: barWish(2, 8 * MIB) },
    expect: [
      override('03:00.0'),
      override('03:00.1'),
      'unbind 0000:03:00.1 from snd_hda_intel',
      'unbind 0000:03:00.0 from amdgpu',
      'resize BAR 2 of 0000:03:00.0 from 256 MiB to 8 MiB',
      'bind 0000:03:00.0 to vfio-pci',
      'bind 0000:03:00.1 to vfio-pci',
    ],
  },
  {
    name: 'takes a device off vfio-pci for the time of the resize',
    devices: [gpu({ driver: 'vfio-pci', onVfio: true, driverOverride: 'vfio-pci' })],
    input: { wishesFor: barWish(2, 8 * MIB) },
    expect: [
      'unbind 0000:03:00.0 from vfio-pci',
      'resize BAR 2 of 0000:03:00.0 from 256 MiB to 8 MiB',
      'bind 0000:03:00.0 to vfio-pci',
    ],
  },
  {
    name: 'sets how devices are reset before anything moves, and their power once they are bound',
    devices: [gpu({ resetMethods: ['flr', 'bus'], d3coldAllowed: true }), audio({ resetMethods: ['pm'] })],
    input: { wishesFor: () => ({ bars: new Map(), reset: [], power: 'on' }) },
    expect: [
      'set reset methods of 0000:03:00.0 to none',
      'set reset methods of 0000:03:00.1 to none',
      override('03:00.0'),
      override('03:00.1'),
      'unbind 0000:03:00.1 from snd_hda_intel',
      'unbind 0000:03:00.0 from amdgpu',
      'bind 0000:03:00.0 to vfio-pci',
      'bind 0000:03:00.1 to vfio-pci',
      'set power control of 0000:03:00.0 to on',
      'set power control of 0000:03:00.1 to on',
    ],
  },
  {
    name: 'sets a device where it is that is on vfio-pci already',
    devices: [gpu({ driver: 'vfio-pci', onVfio: true, d3coldAllowed: true, powerControl: 'auto' })],
    input: { wishesFor: () => ({ bars: new Map(), d3cold: false, power: 'on' }) },
    expect: ['set d3cold_allowed of 0000:03:00.0 to 0', 'set power control of 0000:03:00.0 to on'],
  },
  {
    name: 'does between unbind and bind what is wished, in the order of the list',
    devices: [gpu({ resetMethods: ['flr'] }), audio()],
    input: {
      wishesFor: ({ address }) => ({
        bars: new Map(address === at('03:00.0') ? [[0, 512 * MIB]] : []),
        ...(address === at('03:00.0') && {
          between: [
            { do: 'power', to: 'on' },
            { do: 'script', name: 'wake.sh' },
            { do: 'reset' },
            { do: 'bars', sizes: [{ bar: 2, size: 8 * MIB }] },
          ],
        }),
      }),
    },
    expect: [
      override('03:00.0'),
      override('03:00.1'),
      'unbind 0000:03:00.1 from snd_hda_intel',
      'unbind 0000:03:00.0 from amdgpu',
      'resize BAR 0 of 0000:03:00.0 from 256 MiB to 512 MiB',
      'set power control of 0000:03:00.0 to on',
      'run the script wake.sh for 0000:03:00.0',
      'reset 0000:03:00.0',
      'resize BAR 2 of 0000:03:00.0 from 256 MiB to 8 MiB',
      'bind 0000:03:00.0 to vfio-pci',
      'bind 0000:03:00.1 to vfio-pci',
    ],
  },
  {
    name: 'takes a device off vfio-pci for what is to be done between',
    devices: [gpu({ driver: 'vfio-pci', onVfio: true, driverOverride: 'vfio-pci', resetMethods: ['flr'] })],
    input: { wishesFor: () => ({ bars: new Map(), between: [{ do: 'reset' }] }) },
    expect: ['unbind 0000:03:00.0 from vfio-pci', 'reset 0000:03:00.0', 'bind 0000:03:00.0 to vfio-pci'],
  },
  {
    name: 'refuses a script that must not run before anything moves',
    devices: [gpu(), audio()],
    input: {
      wishesFor: () => ({ bars: new Map(), between: [{ do: 'script', name: 'wake.sh' }] }),
      findScript: () => ({ kind: 'refused', reason: 'it is not there', hints: [] }),
    },
    expect: ['refuse 0000:03:00.0: setting', 'refuse 0000:03:00.1: setting'],
  },
  {
    name: 'runs no script for whoever is no guest',
    devices: [gpu({ resetMethods: ['flr'] })],
    input: {
      owner: { kind: 'manual', uuid: '00000000-0000-4000-8000-00000000000a' },
      wishesFor: () => ({ bars: new Map(), between: [{ do: 'script', name: 'wake.sh' }, { do: 'reset' }] }),
      findScript: () => ({ kind: 'refused', reason: 'it is not there', hints: [] }),
    },
    expect: [
      override('03:00.0'),
      'unbind 0000:03:00.0 from amdgpu',
      'reset 0000:03:00.0',
      'bind 0000:03:00.0 to vfio-pci',
    ],
  },
  {
    name: 'does nothing for a BAR that has the size already',
    devices: [gpu({ driver: 'vfio-pci', onVfio: true })],
    input: { wishesFor: barWish(2, 256 * MIB) },
    expect: [],
  },
  {
    name: 'loads vfio-pci first where it is not there',
    devices: [gpu()],
    input: { facts: { drivers: ['amdgpu'] } },
    expect: [
      'load module vfio-pci',
      override('03:00.0'),
      'unbind 0000:03:00.0 from amdgpu',
      'bind 0000:03:00.0 to vfio-pci',
    ],
  },
  {
    name: 'binds a driverless sibling too, so that no host driver takes it while the guest runs',
    devices: [gpu({ driver: 'vfio-pci', onVfio: true }), driverless(audio())],
    expect: [override('03:00.1'), 'bind 0000:03:00.1 to vfio-pci'],
  },
  {
    name: 'leaves bridges, stubs and driverless chipset functions of the group',
    devices: [
      bridge(),
      gpu(),
      audio({ driver: 'pci-stub' }),
      device('03:00.2', { class: '0c0500' }),
      device('03:00.3', { class: '060100' }),
    ],
    expect: [override('03:00.0'), 'unbind 0000:03:00.0 from amdgpu', 'bind 0000:03:00.0 to vfio-pci'],
  },
  {
    name: 'takes the driver that the XML asks for, by the name under which it is registered',
    devices: [gpu()],
    input: {
      hostdevs: [{ kind: 'pci', address: at('03:00.0'), managed: true, model: 'mlx5-vfio-pci' }],
      facts: { drivers: ['amdgpu', 'mlx5_vfio_pci'] },
    },
    expect: [
      'set driver override of 0000:03:00.0 to mlx5_vfio_pci',
      'unbind 0000:03:00.0 from amdgpu',
      'bind 0000:03:00.0 to mlx5_vfio_pci',
    ],
  },
  {
    name: 'prefers the configuration’s driver to the XML’s',
    devices: [gpu()],
    input: {
      hostdevs: [{ kind: 'pci', address: at('03:00.0'), managed: true, model: 'mlx5_vfio_pci' }],
      wishesFor: () => ({ bars: new Map(), driver: 'vfio-pci' }),
    },
    expect: [override('03:00.0'), 'unbind 0000:03:00.0 from amdgpu', 'bind 0000:03:00.0 to vfio-pci'],
  },
  {
    name: 'leaves a managed network function to libvirt',
    devices: [gpu({ class: '020000', driver: 'igbvf' })],
    input: { hostdevs: [{ kind: 'interface', address: at('03:00.0'), managed: true }] },
    expect: [],
  },
  {
    name: 'moves an unmanaged network function itself',
    devices: [gpu({ class: '020000', driver: 'igbvf' })],
    input: { hostdevs: [{ kind: 'interface', address: at('03:00.0'), managed: false }] },
    expect: [override('03:00.0'), 'unbind 0000:03:00.0 from igbvf', 'bind 0000:03:00.0 to vfio-pci'],
  },
  {
    name: 'leaves a virtual function with a vGPU on the vendor’s driver',
    devices: [gpu({ driver: 'nvidia', vgpuType: 533 })],
    input: { hostdevs: [{ kind: 'pci', address: at('03:00.0'), managed: false }] },
    expect: [],
  },
  {
    name: 'refuses it where libvirt would take it from that driver',
    devices: [gpu({ driver: 'nvidia', vgpuType: 533 })],
    input: { hostdevs: [{ kind: 'pci', address: at('03:00.0'), managed: true }] },
    expect: ['refuse 0000:03:00.0: vgpu'],
  },
  {
    name: 'refuses one without a vGPU',
    devices: [gpu({ driver: 'nvidia', vgpuType: 0 })],
    input: { hostdevs: [{ kind: 'pci', address: at('03:00.0'), managed: false }] },
    expect: ['refuse 0000:03:00.0: vgpu'],
  },
  {
    name: 'binds no virtual function of an NVIDIA card that has lost its driver',
    devices: [gpu({ vendor: '10de', physicalFunction: at('02:00.0') })],
    input: { hostdevs: [{ kind: 'pci', address: at('03:00.0'), managed: false }] },
    expect: ['refuse 0000:03:00.0: vgpu'],
  },
  {
    name: 'resizes back what an earlier unfinished run of the guest left, when nothing is wished any more',
    devices: [
      gpu({
        driver: 'vfio-pci',
        onVfio: true,
        bars: [{ index: 2, size: 8 * MIB, flags: 1, sizes: [8 * MIB, 256 * MIB] }],
      }),
    ],
    input: {
      claims: [
        claimOf([
          {
            address: at('03:00.0'),
            group: 1,
            vendor: '1002',
            device: '744c',
            driver: 'vfio-pci',
            original: { driver: 'amdgpu', bars: [{ bar: 2, size: 256 * MIB }] },
          },
        ]),
      ],
    },
    expect: [
      override('03:00.0'),
      'unbind 0000:03:00.0 from vfio-pci',
      'resize BAR 2 of 0000:03:00.0 from 8 MiB to 256 MiB',
      'bind 0000:03:00.0 to vfio-pci',
    ],
  },
  {
    name: 'refuses what another guest claims, for the sibling as well',
    devices: [gpu(), audio()],
    input: {
      claims: [
        claimOf(
          [{ address: at('03:00.1'), group: 1, vendor: '1002', device: 'ab30', original: { bars: [] } }],
          { owner: oldGuest },
        ),
      ],
    },
    expect: ['refuse 0000:03:00.1: claimed'],
  },
  {
    name: 'refuses a group that somebody has open',
    devices: [gpu()],
    input: { facts: { groups: [{ number: 1, members: [at('03:00.0')], otherMembers: [], open: true }] } },
    expect: ['refuse 0000:03:00.0: in-use'],
  },
  {
    name: 'refuses a group with a member on another bus',
    devices: [gpu()],
    input: {
      facts: {
        groups: [{ number: 1, members: [at('03:00.0')], otherMembers: ['AMDI0020:00'], open: false }],
      },
    },
    expect: ['refuse 0000:03:00.0: other-bus'],
  },
  {
    name: 'refuses an assigned bridge and an assigned chipset function',
    devices: [bridge(), device('03:00.2', { class: '0c0500' })],
    input: { hostdevs: assigned('02:00.0', '03:00.2') },
    expect: ['refuse 0000:02:00.0: not-assignable', 'refuse 0000:03:00.2: not-assignable'],
  },
  {
    name: 'refuses a group whose chipset function is in use',
    devices: [gpu(), device('03:00.2', { class: '0c0500', driver: 'i801_smbus' })],
    expect: ['refuse 0000:03:00.2: system-device'],
  },
  {
    name: 'refuses a bridge with a driver that manages DMA, from Linux 5.19 on',
    devices: [bridge({ driver: 'shpchp' }), gpu()],
    expect: ['refuse 0000:02:00.0: bridge-driver'],
  },
  {
    name: 'accepts any bridge before Linux 5.19',
    devices: [bridge({ driver: 'shpchp' }), gpu()],
    input: { facts: { kernelRelease: '5.15.0-25-generic' } },
    expect: [override('03:00.0'), 'unbind 0000:03:00.0 from amdgpu', 'bind 0000:03:00.0 to vfio-pci'],
  },
  {
    name: 'refuses a physical function with virtual ones',
    devices: [gpu({ sriov: { totalVfs: 7, numVfs: 2 } })],
    expect: ['refuse 0000:03:00.0: virtual-functions'],
  },
  {
    name: 'refuses a BAR that cannot be resized, one that is not there, and a size that is not offered',
    devices: [gpu()],
    input: { wishesFor: barWish(5, 8 * MIB) },
    expect: ['refuse 0000:03:00.0: bar'],
  },
  {
    name: 'lets NVSwitch, an "other" bridge with an endpoint’s header, go to the guest that asks for it',
    devices: [gpu({ class: '068000', driver: 'nvidia-nvswitch' })],
    expect: [
      override('03:00.0'),
      'unbind 0000:03:00.0 from nvidia-nvswitch',
      'bind 0000:03:00.0 to vfio-pci',
    ],
  },
];

describe('plan', () => {
  for (const { name, devices, input, expect } of plans) {
    it(name, () => {
      assert.deepEqual(lines(planFor(devices, input)), expect);
    });
  }

  it('has no step and claims nothing when one member is refused', () => {
    const made = planFor([gpu(), device('03:00.2', { class: '0c0500', driver: 'i801_smbus' })]);
    assert.deepEqual([made.steps, made.devices], [[], []]);
  });

  it('gives a verdict on every member, and says whether the XML assigns it', () => {
    const made = planFor([bridge(), gpu(), audio()]);
    assert.deepEqual(made.verdicts.map(verdictLine), [
      'leave 0000:02:00.0: bridge',
      'bind 0000:03:00.0: vfio-pci',
      'bind 0000:03:00.1: vfio-pci',
    ]);
    assert.deepEqual(
      made.verdicts.map(({ assigned: isAssigned }) => isAssigned),
      [false, true, false],
    );
  });

  it('claims what the guest gets with the originals, and not the bridges', () => {
    const made = planFor(
      [bridge(), gpu({ driverOverride: 'amdgpu', resetMethods: ['bus'] }), audio({ powerControl: 'auto' })],
      {
        wishesFor: barWish(2, 8 * MIB),
      },
    );
    assert.deepEqual(made.devices, [
      {
        address: '0000:03:00.0',
        group: 1,
        vendor: '1002',
        device: '744c',
        driver: 'vfio-pci',
        original: {
          driver: 'amdgpu',
          module: 'amdgpu',
          driverOverride: 'amdgpu',
          bars: [{ bar: 2, size: 256 * MIB }],
          powerControl: 'on',
          resetMethods: ['bus'],
        },
      },
      {
        address: '0000:03:00.1',
        group: 1,
        vendor: '1002',
        device: 'ab30',
        driver: 'vfio-pci',
        original: { driver: 'snd_hda_intel', bars: [], powerControl: 'auto' },
      },
    ]);
  });

  it('claims a device that is left on vfio-pci without moving it, so that no other guest gets it', () => {
    const [claimed] = planFor([gpu({ driver: 'vfio-pci', onVfio: true })]).devices;
    assert.equal(claimed?.driver, undefined);
    assert.equal(claimed?.original.driver, 'vfio-pci');
  });

  it('keeps the first originals of a guest that is prepared again, and adds what is new', () => {
    const first = { driver: 'amdgpu', driverOverride: 'amdgpu', bars: [{ bar: 0, size: 512 * MIB }] };
    const earlier = {
      address: at('03:00.0'),
      group: 1,
      vendor: '1002',
      device: '744c',
      driver: 'vfio-pci',
      original: first,
    };
    const made = planFor([gpu({ driver: 'vfio-pci', onVfio: true, driverOverride: 'vfio-pci' })], {
      claims: [claimOf([earlier])],
      wishesFor: barWish(2, 8 * MIB),
    });
    assert.deepEqual(made.devices, [
      { ...earlier, original: { ...first, bars: [...first.bars, { bar: 2, size: 256 * MIB }] } },
    ]);
  });

  it('remembers the driver that an earlier run bound, for a device that needs no step now', () => {
    const earlier = {
      address: at('03:00.0'),
      group: 1,
      vendor: '1002',
      device: '744c',
      driver: 'vfio-pci',
      original: { driver: 'amdgpu', bars: [] },
    };
    const made = planFor([gpu({ driver: 'vfio-pci', onVfio: true, driverOverride: 'vfio-pci' })], {
      claims: [claimOf([earlier])],
    });
    assert.deepEqual([made.steps, made.devices], [[], [earlier]]);
  });

  it('does not take a guest’s own earlier claim for a rival', () => {
    const own = claimOf([
      { address: at('03:00.0'), group: 1, vendor: '1002', device: '744c', original: { bars: [] } },
    ]);
    assert.equal(own.owner, guest);
    assert.equal(planFor([gpu()], { claims: [own] }).steps.length, 3);
  });

  it('names the supported sizes when it refuses one', () => {
    const [verdict] = planFor([gpu()], { wishesFor: barWish(2, 16 * MIB) }).verdicts;
    assert.equal(verdict?.kind === 'refuse' && verdict.reason, 'BAR 2 of 0000:03:00.0 cannot be 16 MiB');
    assert.deepEqual(verdict?.kind === 'refuse' && verdict.hints.map(hintText), [
      'it supports 8 MiB, 256 MiB',
    ]);
  });

  it('names who has the group open, and who claims it', () => {
    const facts = {
      groups: [
        { number: 1, members: [at('03:00.0')], otherMembers: [], open: true, openBy: 'guest "a" (pid 7)' },
      ],
    };
    const [open] = planFor([gpu()], { facts }).verdicts;
    assert.equal(open?.reason, 'IOMMU group 1 is open in guest "a" (pid 7)');
    const rival = claimOf(
      [{ address: at('03:00.0'), group: 1, vendor: '', device: '', original: { bars: [] } }],
      { owner: oldGuest },
    );
    const [claimed] = planFor([gpu()], { facts, claims: [rival] }).verdicts;
    assert.equal(claimed?.reason, 'guest "old" holds it');
  });
});
