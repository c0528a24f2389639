import assert from 'node:assert/strict';
import { nvidiaWishes, type NvidiaHost } from '../../../src/resource/nvidia/wishes.ts';
import { nvidiaUnits } from '../../../src/resource/nvidia/units.ts';
import { isUnitName, parseUnitKey } from '../../../src/pci/unit.ts';
import { pci } from '../../scenario.ts';

const FIRST = pci('0000:01:00.0');
const SECOND = pci('0000:02:00.0');
const auto = { services: 'auto', modules: 'auto' } as const;
const host: NvidiaHost = {
  taken: [FIRST],
  staying: [],
  units: ['nvidia-cdi-refresh.path', 'nvidia-persistenced.service'],
  hasSmi: true,
  modules: ['nvidia_drm', 'nvidia_modeset', 'nvidia_uvm', 'nvidia'],
  modeset: true,
};
const asked = (rules: Parameters<typeof nvidiaWishes>[0], on: NvidiaHost | undefined): readonly string[] =>
  nvidiaWishes(rules, on).map(({ kind, key }) => `${kind} ${key}`);

describe('what a guest needs of NVIDIA’s driver', () => {
  it('is nothing without a card that is on it', () => {
    assert.deepEqual(asked(auto, undefined), []);
    assert.deepEqual(asked(auto, { ...host, taken: [] }), []);
  });

  it('is persistence mode before units, and nvidia_drm where it sets modes', () => {
    const all = [
      `persistence ${FIRST}`,
      'unit nvidia-cdi-refresh.path',
      'unit nvidia-persistenced.service',
      'module nvidia_drm',
    ];
    assert.deepEqual(asked(auto, host), all);
    assert.deepEqual(asked(auto, { ...host, modeset: false }), all.slice(0, 3));
    assert.deepEqual(asked(auto, { ...host, hasSmi: false }), all.slice(1));
  });

  it('is all modules that are loaded where that is wanted, each before what it uses', () => {
    const unload = { ...auto, modules: 'unload' } as const;
    assert.deepEqual(
      asked(unload, { ...host, modeset: false }).slice(3),
      ['nvidia_drm', 'nvidia_modeset', 'nvidia_uvm', 'nvidia'].map((name) => `module ${name}`),
    );
  });

  it('leaves modules to cards that stay, and the daemon that can let go of one', () => {
    const beside = { ...host, staying: [SECOND] };
    const unload = { ...auto, modules: 'unload' } as const;
    assert.deepEqual(asked(unload, beside), [`persistence ${FIRST}`, 'unit nvidia-cdi-refresh.path']);
    assert.deepEqual(asked(auto, { ...beside, hasSmi: false }), [
      'unit nvidia-cdi-refresh.path',
      'unit nvidia-persistenced.service',
    ]);
  });

  it('is nothing of what the configuration keeps', () => {
    assert.deepEqual(asked({ services: 'keep', modules: 'auto' }, host), ['module nvidia_drm']);
    assert.deepEqual(asked({ services: 'keep', modules: 'keep' }, host), []);
  });

  it('has units with names that systemd and claims take', () => {
    for (const name of Object.keys(nvidiaUnits)) {
      assert.ok(isUnitName(name), name);
      assert.deepEqual(parseUnitKey(name), { name });
    }
  });
});
