import assert from 'node:assert/strict';
import { guestOwner } from '../../../src/claim/owner.ts';
import type { StateOf } from '../../../src/claim/hold.ts';
import type { Facts } from '../../../src/resource/facts.ts';
import { vgpu } from '../../../src/resource/vgpu/vgpu.ts';
import { textOf, takenWords, typesIn } from '../../../src/resource/vgpu/types.ts';
import { vgpuWishes } from '../../../src/resource/vgpu/wishes.ts';
import { claimOf } from '../../plan/snapshots.ts';
import { guest, pci } from '../../scenario.ts';
import { freeVgpu } from '../generators.ts';

/** A kind need not have all of it; this one does. */
const rule = vgpu as Required<typeof vgpu>;

const KEY = '0000:41:00.4';
const OTHER = '0000:41:00.5';

function guard(
  facts: Partial<Facts['vgpu']>,
  to: StateOf<'vgpu'> = { type: 1152 },
  claims: Parameters<NonNullable<typeof vgpu.guard>>[1] = [],
): readonly string[] {
  const seen = { state: { type: 0 }, facts: { ...freeVgpu, ...facts } };
  return rule.guard({ key: KEY, seen, to }, claims).map(({ reason }) => reason);
}

const held = claimOf([], {
  owner: guestOwner(guest('a')),
  holds: [
    {
      kind: 'vgpu',
      key: OTHER,
      original: { type: 0 },
      wish: { type: 1152, name: 'NVIDIA L40S-8Q', params: '' },
    },
  ],
});

describe('the vGPU on a virtual function', () => {
  it('is anything that its card offers', () => {
    assert.deepEqual(guard({}), []);
  });

  it('is not offered by a full card, whose types are known by claims alone', () => {
    assert.deepEqual(guard({ creatable: '', known: '', taken: `${OTHER} 1152` }, { type: 1152 }, [held]), [
      'its card 0000:41:00.0 is full: 0000:41:00.5 is type 1152 (NVIDIA L40S-8Q), of guest "a"',
    ]);
  });

  it('is not offered by a card that offers nothing', () => {
    assert.deepEqual(guard({ creatable: '', known: '' }), ['its card 0000:41:00.0 offers no vGPU at all']);
  });

  it('is not made under whoever has the function open, or was handed it', () => {
    assert.deepEqual(guard({ open: `${KEY} is open in guest "b" (pid 1)` }), [
      `${KEY} is open in guest "b" (pid 1)`,
    ]);
    const original = { driver: 'nvidia', bars: [] };
    const device = { address: pci(KEY), group: 5, vendor: '10de', device: '26b9', original };
    const handed = claimOf([device], { owner: guestOwner(guest('b')) });
    assert.deepEqual(guard({}, { type: 1152 }, [handed]), ['it is held by guest "b"']);
    const ahead = { key: KEY, seen: { state: { type: 1152 }, facts: freeVgpu }, to: { type: 0 } };
    assert.deepEqual(rule.reach(ahead, [handed]), { to: { type: 1152 }, left: 'it is held by guest "b"' });
    assert.equal(rule.reach(ahead, []), undefined);
  });

  it('is not judged by lists where nothing is known yet', () => {
    assert.deepEqual(guard({ creatable: '', expected: true }), []);
  });

  it('says when nobody manages it', () => {
    const ahead = { key: KEY, seen: { state: { type: 0 }, facts: freeVgpu }, to: { type: 1152 } };
    assert.deepEqual(rule.notes(ahead, []), []);
    const unmanaged = { ...ahead, seen: { ...ahead.seen, facts: { ...freeVgpu, unmanaged: true } } };
    assert.match(rule.notes(unmanaged, [])[0] ?? '', /^nvidia-vgpu-mgr does not run/);
  });

  it('has settings only where it was not there before', () => {
    const wish = { type: 1152, name: '', params: 'a=1' };
    assert.equal(rule.settings(KEY, wish, { type: 0 }).length, 1);
    assert.deepEqual(rule.settings(KEY, wish, { type: 1152 }), []);
    assert.deepEqual(rule.settings(KEY, { ...wish, params: '' }, { type: 0 }), []);
  });
});

describe('lists of vGPU types', () => {
  it('come back as they were', () => {
    const types = [
      { id: 1, name: 'GRID A-1B' },
      { id: 1152, name: 'NVIDIA L40S-8Q' },
    ];
    assert.deepEqual(typesIn(textOf(types)), types);
    assert.deepEqual(typesIn(''), []);
  });

  it('name four functions, and count the rest', () => {
    const taken = ['4', '5', '6', '7'].map((fn) => `0000:41:00.${fn} 7`).join('\n');
    assert.equal(
      takenWords({ known: '', taken: `${taken}\n0000:41:01.0 7` }, []),
      '0000:41:00.4 is type 7, 0000:41:00.5 is type 7, 0000:41:00.6 is type 7, 0000:41:00.7 is type 7, and 1 more',
    );
    assert.equal(takenWords({ known: '', taken: '' }, []), '');
  });
});

describe('which vGPUs a guest wants', () => {
  const [first, second] = [pci(KEY), pci(OTHER)];
  const card = pci('0000:41:00.0');
  const cardOf = (): typeof card => card;

  it('is what the latest rule for each of its functions says', () => {
    const rules = [
      { vf: first, type: 1 },
      { vf: first, type: 'L40S-8Q', params: 'a=1' },
      { vf: second, type: 3 },
    ];
    assert.deepEqual(vgpuWishes(rules, [first], cardOf), [
      { kind: 'vgpu', key: KEY, wish: { type: 0, name: 'L40S-8Q', params: 'a=1' } },
    ]);
  });

  it('is the latest auto that fits, for the one that is left', () => {
    const rules = [
      { vf: 'auto', type: 1 },
      { vf: 'auto', type: 2 },
      { vf: 'auto', pf: pci('0000:61:00.0'), type: 3 },
      { vf: second, type: 4 },
    ] as const;
    assert.deepEqual(
      vgpuWishes(rules, [second, first], cardOf).map(({ key, wish }) => [key, wish.type]),
      [
        [OTHER, 4],
        [KEY, 2],
      ],
    );
    assert.deepEqual(
      vgpuWishes([{ vf: 'auto', type: 1 }], [first], () => undefined),
      [],
    );
  });
});
