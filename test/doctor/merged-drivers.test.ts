import assert from 'node:assert/strict';
import type { Verdict } from '../../src/doctor/finding.ts';
import { knownIssues, type KnownIssue } from '../../src/doctor/merged-drivers.ts';
import {
  mergedFacts,
  type CardFacts,
  type GuestFacts,
  type MergedFacts,
} from '../../src/doctor/merged-facts.ts';
import { hintText } from '../../src/hint.ts';
import type { MdevParent } from '../../src/pci/mdev.ts';
import { pci, scenarios } from '../scenario.ts';
import { domainXml, examinationOf, hostdev, machineOf, type Situation } from './machine.ts';

const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
const card = (more: Partial<CardFacts> = {}): CardFacts => ({
  address: pci('0000:01:00.0'),
  vendor: '10de',
  device: '1e84',
  driver: 'nvidia',
  totalVfs: 0,
  numVfs: 0,
  isVirtual: false,
  hasVendorFramework: false,
  powerState: 'D0',
  ...more,
});
const parent: MdevParent = {
  name: '0000:01:00.0',
  driver: 'nvidia',
  types: [{ id: 'nvidia-46', name: 'GRID P40-1Q', description: '', deviceApi: 'vfio-pci', available: 1 }],
  devices: [],
};
const guest = (more: Partial<GuestFacts> = {}): GuestFacts => ({
  name: 'win11',
  mdevs: [UUID],
  types: [],
  usb: 0,
  devices: [],
  ...more,
});
const facts = (nvidia: string, more: Partial<MergedFacts> = {}): MergedFacts => ({
  nvidia,
  parameters: new Map(),
  managerRuns: true,
  battery: 'none',
  cards: [card()],
  parents: [parent],
  guests: [guest()],
  ...more,
});
const frame = (megabytes: number): GuestFacts =>
  guest({ types: [`num_heads=4, framebuffer=${megabytes}M, max_instance=24`] });
const asleep = { cards: [card({ powerState: 'D3hot' })] };
const amd = { cards: [card({ vendor: '1002', driver: 'amdgpu' })], parents: [] };
const i915 = (totalVfs: number): Partial<MergedFacts> => ({
  cards: [card({ vendor: '8086', driver: 'i915', totalVfs })],
});

type Row = readonly [title: string, facts: MergedFacts, verdict?: Verdict, found?: RegExp, fix?: RegExp];

/** For each row of the page a host that has the issue, and one that has not. */
const table: Readonly<Record<keyof typeof knownIssues, readonly Row[]>> = {
  'second-mdev': [
    ...['460.32.01', '460.73.01', '460.73.04'].map((version): Row => [
      version,
      facts(version),
      'warning',
      /second mediated device of a card .*; mended in 510$/,
      /one guest with a mediated device/,
    ]),
    ...['460.27.04', '460.91.03', '510.47.03', '535.161.05'].map((version): Row => [version, facts(version)]),
    ['nobody has one', facts('460.73.04', { parents: [], guests: [] })],
  ],
  'power-d0': [
    [
      '460.32.01, asleep',
      facts('460.32.01', asleep),
      'warning',
      /it is in D3hot: .* only while the card is in D0/,
      /echo on > .*power\/control/,
    ],
    [
      '460.73.04, on battery',
      facts('460.73.04', { battery: 'in use' }),
      'warning',
      /this laptop runs on its battery/,
      /plug the laptop in/,
    ],
    ['460.73.04, charging', facts('460.73.04', { battery: 'charging' })],
    ['460.73.04, awake', facts('460.73.04')],
    ['a later version, asleep', facts('510.47.03', asleep)],
    ['a virtual function', facts('460.73.04', { cards: [card({ powerState: 'D3hot', isVirtual: true })] })],
  ],
  'page-collisions': [
    [
      'a small frame buffer',
      facts('460.73.04', { guests: [frame(512)] }),
      'warning',
      /frame buffer of 512 MB: page collisions/,
      /vfio-hook mdev/,
    ],
    ['a large one', facts('460.73.04', { guests: [frame(4096)] })],
    ['a small one, later version', facts('535.161.05', { guests: [frame(512)] })],
    ['nobody knows its size', facts('460.73.04')],
  ],
  services: [
    [
      '510, not running',
      facts('510.47.03', { managerRuns: false }),
      'warning',
      /does not run, which is reported to crash with 510/,
      /journalctl -b -u nvidia-vgpu-mgr/,
    ],
    [
      '460, not running',
      facts('460.73.04', { managerRuns: false }),
      'warning',
      /reported to crash with 460/,
      /systemctl restart/,
    ],
    [
      '535, not running',
      facts('535.161.05', { managerRuns: false }),
      'warning',
      /^nvidia-vgpu-mgr does not run: a guest with a vGPU would not start$/,
    ],
    ['running', facts('510.47.03')],
    ['nothing is offered', facts('510.47.03', { managerRuns: false, parents: [] })],
  ],
  'usb-hub': [
    [
      '460.73.01',
      facts('460.73.01', { guests: [guest({ usb: 1 })] }),
      'warning',
      /USB hubs, controllers or devices .*460\.73\.01 at least/,
      /usbredir/,
    ],
    ['no version', facts('', { guests: [guest({ usb: 2 })] }), 'warning', /USB hubs/],
    ['510', facts('510.47.03', { guests: [guest({ usb: 1 })] })],
    ['without USB', facts('460.73.01')],
    ['without a mediated device', facts('460.73.01', { guests: [guest({ mdevs: [], usb: 1 })] })],
  ],
  'patched-driver': [
    [
      'cudahost',
      facts('535.161.05', { parameters: new Map([['cudahost', '1']]) }),
      'ok',
      /patched driver: cudahost=1 \(CUDA on the host beside the vGPUs\)$/,
    ],
    [
      'unlock',
      facts('535.161.05', {
        parameters: new Map([
          ['vup_kunlock', '1'],
          ['vup_sunlock', '0'],
        ]),
      }),
      'ok',
      /vup_kunlock=1 .*, vup_sunlock=0/,
    ],
    ['NVIDIA’s own', facts('535.161.05', { parameters: new Map([['NVreg_EnableMSI', '1']]) })],
  ],
  vgpukvm: [
    [
      '0, and a guest wants one',
      facts('535.161.05', { parameters: new Map([['vgpukvm', '0']]), parents: [] }),
      'warning',
      /vgpukvm=0: it serves the host only.*, which "win11" wants$/,
      /take nvidia.vgpukvm=0 out/,
    ],
    [
      '0 on purpose',
      facts('535.161.05', { parameters: new Map([['vgpukvm', '0']]), parents: [], guests: [] }),
      'ok',
      /vgpukvm=0/,
    ],
    ['1', facts('535.161.05', { parameters: new Map([['vgpukvm', '1']]) })],
    ['none', facts('535.161.05')],
  ],
  'physical-function-asleep': [
    [
      'asleep',
      facts('', { cards: [card({ totalVfs: 7, powerState: 'D3cold' })] }),
      'warning',
      /it is in D3cold: virtual functions can be made in D0 only/,
      /echo on/,
    ],
    ['awake', facts('', { cards: [card({ totalVfs: 7 })] })],
    ['without virtual functions', facts('', { cards: [card({ powerState: 'D3cold' })] })],
  ],
  amdgpu: [
    [
      'a guest wants one',
      facts('', amd),
      'warning',
      /amdgpu, which has 0000:01:00.0, makes none: .*irqfd and ioeventfd/,
      /gim/,
    ],
    ['nobody wants one', facts('', { ...amd, guests: [guest({ mdevs: [] })] })],
    ['another card makes them', facts('', { ...amd, parents: [parent] })],
    ['another card could', facts('', { ...amd, cards: [...amd.cards, card()] })],
  ],
  'i915-sriov': [
    [
      'it offers some',
      facts('', i915(7)),
      'warning',
      /i915 offers 7 virtual functions, which no i915 of kernel.org does/,
      /enable_guc=3 and max_vfs/,
    ],
    ['it offers none', facts('', i915(0))],
  ],
};

describe('the known issues of merged drivers', () => {
  for (const [id, rows] of Object.entries(table) as [keyof typeof knownIssues, readonly Row[]][]) {
    const issue: KnownIssue = knownIssues[id];
    describe(id, () => {
      for (const [title, on, verdict, found, fix] of rows) {
        it(`${title}: ${verdict ?? 'nothing'}`, () => {
          const [first, ...others] = issue.finds(on);
          assert.deepEqual(others, []);
          assert.equal(first?.verdict, verdict);
          if (found) assert.match(first?.found ?? '', found);
          if (fix) assert.match(first?.fix.map(hintText).join('\n') ?? '', fix);
        });
      }

      it('is a row with a host that has it', () => {
        assert.ok(rows.some(([, , verdict]) => verdict !== undefined));
        assert.ok(rows.some(([, , verdict]) => verdict === undefined));
      });
    });
  }
});

describe('what the known issues are told by', () => {
  const open = scenarios();
  const seen = (situation: Situation): MergedFacts =>
    mergedFacts(examinationOf(open(machineOf(situation)), situation));
  const slice = `<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='${UUID}'/></source></hostdev>`;

  it('is the version, the parameters and the services of NVIDIA’s driver', () => {
    const on = seen({
      host: 'nvidia-vgpu-mdev',
      files: { '/sys/module/nvidia/parameters/cudahost': '1\n', '/proc/77/comm': 'nvidia-vgpu-mgr\n' },
    });
    assert.deepEqual([on.nvidia, on.parameters.get('cudahost'), on.managerRuns], ['535.161.05', '1', true]);
    assert.equal(seen({ host: 'nvidia-vgpu-mdev' }).managerRuns, false);
  });

  it('is whether a laptop runs on its battery', () => {
    const supply = (name: string, facts: Readonly<Record<string, string>>): Record<string, string> =>
      Object.fromEntries(
        Object.entries(facts).map(([file, text]) => [`/sys/class/power_supply/${name}/${file}`, `${text}\n`]),
      );
    const battery = supply('BAT0', { type: 'Battery' });
    assert.equal(seen({}).battery, 'none');
    assert.equal(
      seen({ files: { ...battery, ...supply('AC', { type: 'Mains', online: '1' }) } }).battery,
      'charging',
    );
    assert.equal(
      seen({ files: { ...battery, ...supply('AC', { type: 'Mains', online: '0' }) } }).battery,
      'in use',
    );
    assert.equal(seen({ files: supply('mouse', { type: 'Battery', scope: 'Device' }) }).battery, 'none');
  });

  it('is what guests have, by their XML, and of which type it is, by the configuration', () => {
    const on = seen({
      host: 'nvidia-vgpu-mdev',
      guests: { win11: domainXml({ devices: slice + hostdev('0000:04:00.0') }) },
      config: { mdev: [{ uuid: UUID, parent: 'auto', type: 'A10-2Q', attributes: [] }] },
    });
    assert.deepEqual(on.guests, [
      {
        name: 'win11',
        mdevs: [UUID],
        types: ['num_heads=4, frl_config=60, framebuffer=2048M, max_resolution=7680x4320, max_instance=12'],
        usb: 0,
        devices: ['0000:04:00.0'],
      },
    ]);
  });
});
