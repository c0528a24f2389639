import assert from 'node:assert/strict';
import type { WishOf } from '../../../src/claim/hold.ts';
import { hintText } from '../../../src/hint.ts';
import type { GraphicsCard, GraphicsHost } from '../../../src/pci/graphics.ts';
import type { MdevParent } from '../../../src/pci/mdev.ts';
import type { MdevFacts } from '../../../src/resource/facts.ts';
import { choose } from '../../../src/resource/mdev/choose.ts';
import { noTypes } from '../../../src/resource/mdev/no-types.ts';
import { pci } from '../../scenario.ts';

const kernel: GraphicsHost = { kvmgt: 'loadable', enableGvt: 'Y', enableGuc: '0', vgpuKvm: '' };
const card = (
  vendor: string,
  device: string,
  driver: string,
  more: Partial<GraphicsCard> = {},
): GraphicsCard => ({
  address: pci('0000:00:02.0'),
  vendor,
  device,
  driver,
  totalVfs: 0,
  numVfs: 0,
  isVirtual: false,
  hasVendorFramework: false,
  ...more,
});
const parent = (
  name: string,
  ...types: readonly (readonly [id: string, name: string, available: number])[]
): MdevParent => ({
  name,
  driver: 'nvidia',
  types: types.map(([id, called, available]) => ({
    id,
    name: called,
    description: '',
    deviceApi: 'vfio-pci',
    available,
  })),
  devices: [],
});
const facts = (
  parents: readonly MdevParent[],
  graphics: readonly GraphicsCard[] = [],
  more = kernel,
): MdevFacts => ({
  open: '',
  parents,
  devices: {},
  graphics,
  kernel: more,
});
const wish = (of: string, type: string): WishOf<'mdev'> => ({
  parent: of,
  type,
  attributes: '[]',
  api: 'vfio-pci',
});
const chosen = (...args: Parameters<typeof choose>): string => {
  const settled = choose(...args);
  return 'wish' in settled ? `${settled.wish.type} on ${settled.wish.parent}` : settled.refusal.reason;
};

describe('the parent of a mediated device', () => {
  const full = parent('0000:41:00.4', ['nvidia-593', 'NVIDIA A10-4Q', 0]);
  const free = parent('0000:41:00.5', ['nvidia-593', 'NVIDIA A10-4Q', 1]);
  const last = parent('0000:41:00.6', ['nvidia-593', 'NVIDIA A10-4Q', 1]);

  it('is the first one with room, and never another one for the same host', () => {
    assert.equal(
      chosen(wish('auto', 'nvidia-593'), facts([full, free, last]), []),
      'nvidia-593 on 0000:41:00.5',
    );
  });

  it('has room for what the same start makes besides', () => {
    const taken = [wish('0000:41:00.5', 'nvidia-593')];
    assert.equal(
      chosen(wish('auto', 'nvidia-593'), facts([full, free, last]), taken),
      'nvidia-593 on 0000:41:00.6',
    );
    assert.equal(
      chosen(wish('auto', 'nvidia-593'), facts([full, free]), taken),
      'no parent has room for one more of type nvidia-593 (NVIDIA A10-4Q): 0000:41:00.4, 0000:41:00.5',
    );
  });

  it('is the one that is named, in whichever capitals, also when it is full', () => {
    assert.equal(
      chosen(wish('0000:41:00.4', 'nvidia-593'), facts([full, free]), []),
      'nvidia-593 on 0000:41:00.4',
    );
    assert.equal(
      chosen(wish('MTTY', 'mtty-1'), facts([parent('mtty', ['mtty-1', 'Single', 1])]), []),
      'mtty-1 on mtty',
    );
  });

  it('has the type by its id, or by its name with or without the maker', () => {
    for (const type of ['nvidia-593', 'NVIDIA A10-4Q', 'A10-4Q', 'a10-4q', 'GRID A10-4Q'])
      assert.equal(chosen(wish('auto', type), facts([free]), []), 'nvidia-593 on 0000:41:00.5', type);
    assert.equal(
      chosen(wish('auto', 'A10-8Q'), facts([free]), []),
      'no parent of this host offers the type A10-8Q; there are nvidia-593 (NVIDIA A10-4Q)',
    );
  });

  it('is a card of i915 that kvmgt would make one', () => {
    const igpu = card('8086', '3e92', 'i915');
    for (const type of ['i915-GVTg_V5_4', 'GVTg_V5_4'])
      for (const of of ['auto', '0000:00:02.0'])
        assert.equal(chosen(wish(of, type), facts([], [igpu]), []), 'i915-GVTg_V5_4 on 0000:00:02.0');
    assert.match(
      chosen(wish('auto', 'i915-GVTg_V5_4'), facts([], [igpu], { ...kernel, enableGvt: 'N' }), []),
      /^0000:00:02.0 makes no mediated devices: i915 was loaded without enable_gvt=1/,
    );
    assert.match(
      chosen(wish('auto', 'nvidia-593'), facts([], [igpu]), []),
      /kvmgt is not loaded, which is done/,
    );
  });

  it('is nothing where nothing could be one', () => {
    assert.equal(
      chosen(wish('auto', 'nvidia-593'), facts([]), []),
      'nothing on this host makes mediated devices',
    );
    assert.equal(
      chosen(wish('0000:07:00.0', 'nvidia-593'), facts([full]), []),
      'there is no 0000:07:00.0 on this host that makes mediated devices',
    );
  });

  it('may be a virtual function that nobody has made yet', () => {
    const nvidia = card('10de', '2236', 'nvidia', { address: pci('0000:41:00.0'), totalVfs: 32 });
    const settled = choose(wish('0000:41:00.4', 'nvidia-593'), facts([], [nvidia]), []);
    assert.ok('refusal' in settled);
    assert.equal(
      settled.refusal.reason,
      'there is no 0000:41:00.4: 0000:41:00.0 has no virtual functions yet',
    );
    assert.deepEqual(settled.refusal.hints.map(hintText), ['/usr/lib/nvidia/sriov-manage -e 0000:41:00.0']);
  });

  it('is told of by the card that the type is of', () => {
    const amd = card('1002', '744c', 'amdgpu', { address: pci('0000:03:00.0') });
    const nvidia = card('10de', '2236', 'nvidia', { address: pci('0000:41:00.0'), totalVfs: 32 });
    assert.match(
      chosen(wish('auto', 'A10-4Q'), facts([], [amd, nvidia]), []),
      /^0000:41:00.0 makes no mediated/,
    );
    assert.match(
      chosen(wish('auto', 'MxGPU_1'), facts([], [amd, nvidia]), []),
      /^0000:03:00.0 makes no mediated/,
    );
  });
});

describe('why a card makes no mediated devices', () => {
  const rows: readonly (readonly [
    title: string,
    of: GraphicsCard,
    kernel: Partial<GraphicsHost>,
    reason: RegExp,
    hint?: RegExp,
  ])[] = [
    ['xe', card('8086', '3e92', 'xe'), {}, /^its driver xe makes no mediated devices: GVT-g is i915’s/],
    [
      'Ice Lake',
      card('8086', '8a52', 'i915'),
      {},
      /^GVT-g knows Broadwell to Comet Lake only.*8086:8a52$/,
      /SR-IOV/,
    ],
    ['Tiger Lake', card('8086', '9a49', 'i915'), {}, /^GVT-g knows Broadwell to Comet Lake only/],
    ['Alder Lake', card('8086', '46a6', 'i915'), {}, /^GVT-g knows Broadwell to Comet Lake only/],
    ['Arc', card('8086', '56a0', 'i915'), {}, /^GVT-g knows Broadwell to Comet Lake only/],
    ['Haswell', card('8086', '0412', 'i915'), {}, /^GVT-g knows Broadwell to Comet Lake only/],
    ['no driver', card('8086', '3e92', ''), {}, /^it has no driver, and GVT-g is i915’s$/],
    ['vfio-pci', card('8086', '3e92', 'vfio-pci'), {}, /^it is on vfio-pci, and GVT-g is i915’s$/],
    [
      'enable_gvt',
      card('8086', '1912', 'i915'),
      { enableGvt: 'N' },
      /without enable_gvt=1/,
      /i915.enable_gvt=1/,
    ],
    ['GuC', card('8086', '5912', 'i915'), { enableGuc: '3' }, /enable_guc=3.*GuC submission$/],
    [
      'only HuC',
      card('8086', '5912', 'i915'),
      { enableGuc: '2' },
      /^kvmgt is not loaded, which is done/,
      /^modprobe kvmgt$/,
    ],
    [
      'GuC by default',
      card('8086', '9bc5', 'i915'),
      { enableGuc: '-1' },
      /^kvmgt is not loaded, which is done/,
    ],
    ['no kvmgt', card('8086', '1616', 'i915'), { kvmgt: 'absent' }, /^this kernel has no module kvmgt$/],
    [
      'kvmgt in vain',
      card('8086', '3e92', 'i915'),
      { kvmgt: 'loaded' },
      /^kvmgt is loaded, and still/,
      /dmesg/,
    ],
    ['AMD', card('1002', '744c', 'amdgpu'), {}, /^its driver amdgpu has no mediated devices, in no version/],
    ['vgpukvm=0', card('10de', '1e84', 'nvidia'), { vgpuKvm: '0' }, /vgpukvm=0, which turns vGPU off$/],
    ['no functions', card('10de', '2236', 'nvidia', { totalVfs: 32 }), {}, /it has none$/, /sriov-manage -e/],
    [
      'vendor framework',
      card('10de', '2236', 'nvidia', { totalVfs: 32, numVfs: 4, hasVendorFramework: true }),
      {},
      /vGPU types of virtual functions \(vendor-specific VFIO/,
    ],
    ['ordinary nvidia', card('10de', '2204', 'nvidia'), {}, /^its driver offers none/, /nvidia-vgpu-mgr/],
    ['nouveau', card('10de', '2204', 'nouveau'), {}, /^it is on nouveau, and only NVIDIA’s vGPU driver/],
    ['NVIDIA without one', card('10de', '2204', ''), {}, /^it has no driver$/],
    ['another one', card('1a03', '2000', 'ast'), {}, /^its driver ast makes no mediated devices$/],
  ];
  for (const [title, of, more, reason, hint] of rows) {
    it(title, () => {
      const refusal = noTypes(of, { ...kernel, ...more });
      assert.match(refusal.reason, reason);
      if (hint) assert.match(refusal.hints.map(hintText).join('\n'), hint);
    });
  }
});
