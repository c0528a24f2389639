import assert from 'node:assert/strict';
import { advice } from '../../src/hint.ts';
import type { DeviceUse } from '../../src/pci/use.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { reasonsOf, sortUses } from '../../src/plan/use.ts';
import { at, claimOf, device, gpu, noWishes, planFor, verdictLine } from './snapshots.ts';
import { allowing, planned, use } from './used.ts';

describe('sortUses', () => {
  it('tells what is allowed from what is not', () => {
    const uses = [use('boot-vga'), use('console'), use('held')];
    assert.deepEqual(sortUses(uses, ['held', 'boot-vga', 'swap']), {
      refused: [uses[1]],
      allowed: [uses[0], uses[2]],
      yielding: [],
    });
  });
});

describe('a use that ends by itself', () => {
  const yielding: DeviceUse = { ...use('held', '03:00.1'), yields: true };

  it('keeps nobody from the device, with and without leave, and is said', () => {
    for (const allow of [[], ['held']] as const) {
      const made = planned([yielding], { wishesFor: () => ({ ...noWishes, allow }) });
      assert.deepEqual(made.verdicts[1], {
        kind: 'bind',
        device: at('03:00.1'),
        driver: 'vfio-pci',
        assigned: false,
        reason: 'it shares IOMMU group 1 with an assigned device',
        yielding: [yielding],
      });
      assert.ok(made.steps.length > 0);
    }
  });

  it('is said beside one that refuses', () => {
    const [, verdict] = planned([use('console', '03:00.1'), yielding]).verdicts;
    assert.ok(verdict?.kind === 'refuse');
    assert.deepEqual([verdict.uses?.length, verdict.yielding], [1, [yielding]]);
  });
});

describe('reasonsOf', () => {
  it('has each reason once, in the order of all reasons', () => {
    assert.deepEqual(reasonsOf([use('held'), use('mounted'), use('held')]), ['mounted', 'held']);
  });
});

describe('a plan with devices that the host uses', () => {
  it('refuses each of them with all that is known, and does nothing', () => {
    const made = planned([use('boot-vga'), use('console'), use('held', '03:00.1')]);
    assert.deepEqual([made.steps, made.devices], [[], []]);
    assert.deepEqual(made.verdicts, [
      {
        kind: 'refuse',
        device: at('03:00.0'),
        code: 'host-use',
        assigned: true,
        reason: 'the host uses it: it is boot-vga',
        hints: [advice('end boot-vga'), advice('end console')],
        uses: [use('boot-vga'), use('console')],
      },
      {
        kind: 'refuse',
        device: at('03:00.1'),
        code: 'host-use',
        assigned: false,
        reason: 'the host uses it: it is held',
        hints: [advice('end held')],
        uses: [use('held', '03:00.1')],
      },
    ]);
  });

  it('takes one that is allowed, with a note', () => {
    const made = planned([use('boot-vga'), use('console')], { wishesFor: allowing('boot-vga', 'console') });
    assert.deepEqual(made.verdicts[0], {
      kind: 'bind',
      device: at('03:00.0'),
      driver: 'vfio-pci',
      assigned: true,
      reason: 'the guest is assigned it; taken from the host on purpose (boot-vga, console)',
      allowed: [use('boot-vga'), use('console')],
    });
    assert.ok(made.steps.length > 0);
  });

  it('keeps what is allowed apart from what is not', () => {
    const made = planned([use('boot-vga'), use('console')], { wishesFor: allowing('boot-vga') });
    const [verdict] = made.verdicts;
    assert.equal(verdict?.reason, 'the host uses it: it is console');
    assert.deepEqual(verdict.allowed, [use('boot-vga')]);
  });

  it('says of the disk that the host runs from nothing but that', () => {
    const uses = [
      { ...use('root-disk'), detail: 'the host runs from it: / is on sda1' },
      use('mounted'),
      use('swap'),
    ];
    const [verdict] = planned(uses).verdicts;
    assert.equal(verdict?.reason, 'the host runs from it: / is on sda1');
    assert.deepEqual(verdict.kind === 'refuse' && [verdict.uses, verdict.hints], [uses, uses[0]?.hints]);
  });

  const rows: readonly (readonly [name: string, verdict: string, made: () => Plan])[] = [
    [
      'the claim of another guest, which comes first',
      'refuse 0000:03:00.0: claimed',
      () =>
        planned([use('boot-vga')], {
          claims: [
            claimOf([{ address: at('03:00.0'), group: 1, vendor: '', device: '', original: { bars: [] } }], {
              owner: { kind: 'guest', name: 'old', uuid: '00000000-0000-4000-8000-000000000002' },
            }),
          ],
        }),
    ],
    [
      'virtual functions, which come after it',
      'refuse 0000:03:00.0: host-use',
      () =>
        planFor([gpu({ sriov: { totalVfs: 4, numVfs: 2 } })], { facts: { uses: [use('default-route')] } }),
    ],
    [
      'a bridge, which is left alone',
      'leave 0000:02:00.0: bridge',
      () =>
        planFor([device('02:00.0', { class: '060400', headerType: 'bridge', driver: 'pcieport' }), gpu()], {
          facts: { uses: [use('mounted', '02:00.0')] },
        }),
    ],
    [
      'a function that libvirt would take',
      'refuse 0000:05:00.0: host-use',
      () =>
        planFor([device('05:00.0', { class: '020000', driver: 'iavf' })], {
          hostdevs: [{ kind: 'interface', address: at('05:00.0'), managed: true }],
          facts: { uses: [use('default-route', '05:00.0')] },
        }),
    ],
    [
      'a function that libvirt may take',
      'leave 0000:05:00.0: libvirt',
      () =>
        planFor([device('05:00.0', { class: '020000', driver: 'iavf' })], {
          hostdevs: [{ kind: 'interface', address: at('05:00.0'), managed: true }],
          wishesFor: () => ({ ...noWishes, allow: ['default-route'] }),
          facts: { uses: [use('default-route', '05:00.0')] },
        }),
    ],
  ];
  for (const [name, verdict, made] of rows) {
    it(`and ${name}`, () => {
      assert.equal(made().verdicts.map(verdictLine)[0], verdict);
    });
  }
});
