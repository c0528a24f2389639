import assert from 'node:assert/strict';
import {
  defaultConfig,
  mergeConfig,
  type CardRule,
  type Config,
  type MdevRule,
} from '../../src/config/config.ts';
import type { Domain } from '../../src/domain/domain.ts';
import { wishesOf } from '../../src/resource/wishes.ts';
import { guest, pci } from '../scenario.ts';
import { PF } from './generators.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const igb = { offset: 0x80, stride: 2 };

function wishes(
  config: Partial<Pick<Config, 'hugepages' | 'sriov'>>,
  domain: Domain = guest('win11'),
): readonly unknown[] {
  return wishesOf({ sriov: [], ...config }, domain, { routingOf: (card) => (card === PF ? igb : undefined) });
}

describe('what a guest needs besides its devices', () => {
  it('is nothing without a configuration', () => {
    const domain = { ...guest('win11', '0000:02:10.0'), hugepages: [{ bytes: 8 * GIB }] };
    assert.deepEqual(wishes({}, domain), []);
  });

  it('is the governor for the policies of its CPUs', () => {
    const policies = (domain: Domain): readonly unknown[] =>
      wishesOf({ sriov: [], governor: 'performance' }, domain, {
        routingOf: () => undefined,
        policiesOf: (cpus) => (cpus ?? [0, 1]).map((cpu) => `policy${cpu}`),
      });
    const wished = (key: string): unknown => ({ kind: 'frequency', key, wish: { governor: 'performance' } });
    assert.deepEqual(policies({ ...guest('win11'), cpus: [4] }), [wished('policy4')]);
    assert.deepEqual(policies(guest('win11')), [wished('policy0'), wished('policy1')]);
  });

  it('is what is left of the host without the CPUs that it has to itself', () => {
    const isolated = (isolate: string, domain: Domain): readonly unknown[] =>
      wishesOf({ sriov: [], cpus: { isolate, irqs: false } }, domain, {
        routingOf: () => undefined,
        allCpus: () => '0-7',
      });
    const wished = (keeps: string): readonly unknown[] =>
      ['system.slice', 'user.slice', 'init.scope'].map((key) => ({
        kind: 'cpus',
        key,
        wish: { keeps, all: '0-7' },
      }));
    assert.deepEqual(isolated('auto', { ...guest('win11'), cpus: [2, 3, 7] }), wished('0-1,4-6'));
    assert.deepEqual(isolated('1,6-9', { ...guest('win11'), cpus: [2] }), wished('0,2-5'));
    assert.throws(() => isolated('auto', guest('win11')), { code: 'VH_CONFIG' });
  });

  describe('huge pages', () => {
    const pages = (count: number, key = '2048kB'): unknown[] => [
      { kind: 'hugepages', key, wish: { pages: count } },
    ];

    it('are as many as the configuration says, whatever the XML does', () => {
      assert.deepEqual(wishes({ hugepages: { sizeKb: 2048, count: 100 } }), pages(100));
      assert.deepEqual(
        wishes({ hugepages: { sizeKb: 1_048_576, count: 4, node: 1 } }),
        pages(4, '1048576kB node1'),
      );
      assert.deepEqual(wishes({ hugepages: { sizeKb: 2048, count: 0 } }), []);
    });

    it('are as many as the memory needs that the XML wants in pages of this size', () => {
      const auto = { hugepages: { sizeKb: 2048, count: 'auto' } } as const;
      const rows = [
        [[{ bytes: 8 * GIB }], 4096],
        [[{ bytes: 8 * GIB, size: 2 * MIB }], 4096],
        [[{ bytes: 3 * MIB }], 2],
        // Two nodes share no page.
        [[{ bytes: 3 * MIB }, { bytes: 3 * MIB }], 4],
        [
          [
            { bytes: GIB, size: 2 * MIB },
            { bytes: 8 * GIB, size: GIB },
          ],
          512,
        ],
      ] as const;
      for (const [hugepages, count] of rows)
        assert.deepEqual(wishes(auto, { ...guest('win11'), hugepages }), pages(count));
    });

    it('are none for a guest that asks for none, or for others', () => {
      const auto = { hugepages: { sizeKb: 2048, count: 'auto' } } as const;
      assert.deepEqual(wishes(auto), []);
      assert.deepEqual(wishes(auto, { ...guest('win11'), hugepages: [{ bytes: GIB, size: GIB }] }), []);
    });
  });

  describe('virtual functions', () => {
    const card = (vfs: number, autoprobe = false): { readonly sriov: readonly CardRule[] } => ({
      sriov: [{ pf: PF, vfs, autoprobe }],
    });

    it('are those of the card that has one of the guest’s', () => {
      const needed = [{ kind: 'vfs', key: PF, wish: { count: 4, autoprobe: true } }];
      assert.deepEqual(wishes(card(4, true), guest('win11', '0000:09:00.0', '0000:02:10.6')), needed);
    });

    it('are none where the guest has none of them, or one beyond their number', () => {
      for (const device of ['0000:02:00.0', '0000:02:10.1', '0000:02:11.0', '0000:12:10.0'])
        assert.deepEqual(wishes(card(4), guest('win11', device)), [], device);
      assert.deepEqual(wishes(card(4)), []);
    });

    it('are none of a card that makes none', () => {
      const sriov = [{ pf: pci('0000:03:00.0'), vfs: 4, autoprobe: false }];
      assert.deepEqual(wishes({ sriov }, guest('win11', '0000:03:10.0')), []);
    });
  });

  it('is all of it together', () => {
    const config = {
      hugepages: { sizeKb: 2048, count: 1 },
      sriov: [{ pf: PF, vfs: 2, autoprobe: false }],
    };
    assert.equal(wishes(config, guest('win11', '0000:02:10.0')).length, 2);
  });

  describe('mediated devices', () => {
    const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
    const domain = guest('win11', { kind: 'mdev', uuid: UUID, managed: false, model: 'vfio-pci' });
    const rule = (uuid: string, parent: string): MdevRule => ({
      uuid,
      parent,
      type: 'nvidia-593',
      attributes: [['nvidia/vgpu_params', 'x=1']],
    });
    const wished = (parent: string): unknown => ({
      kind: 'mdev',
      key: UUID,
      wish: { parent, type: 'nvidia-593', attributes: '[["nvidia/vgpu_params","x=1"]]', api: 'vfio-pci' },
    });

    it('are those of the XML, as the configuration has them', () => {
      const all = [rule(UUID.replace('1001', '1002'), 'other'), rule(UUID, 'auto')];
      assert.deepEqual(wishesOf({ sriov: [], mdev: all }, domain, { routingOf: () => undefined }), [
        wished('auto'),
      ]);
      assert.deepEqual(
        wishesOf({ sriov: [], mdev: all }, guest('win11'), { routingOf: () => undefined }),
        [],
      );
    });

    it('are the guest’s own file’s before those of all guests', () => {
      const merged = mergeConfig(
        { ...defaultConfig, mdev: [rule(UUID, 'all')] },
        { mdev: [rule(UUID, 'own')] },
      );
      assert.deepEqual(wishesOf(merged, domain, { routingOf: () => undefined }), [wished('own')]);
    });

    it('are as they are known otherwise where the configuration does not name them', () => {
      const known = (uuid: string): MdevRule => rule(uuid, 'known');
      assert.deepEqual(wishesOf({ sriov: [] }, domain, { routingOf: () => undefined, knownMdev: known }), [
        wished('known'),
      ]);
      assert.deepEqual(wishesOf({ sriov: [] }, domain, { routingOf: () => undefined }), []);
      const own = { sriov: [], mdev: [rule(UUID, 'own')] };
      assert.deepEqual(wishesOf(own, domain, { routingOf: () => undefined, knownMdev: known }), [
        wished('own'),
      ]);
    });
  });
});
