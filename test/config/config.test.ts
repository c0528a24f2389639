import assert from 'node:assert/strict';
import { pci } from '../scenario.ts';
import { defaultConfig, mergeConfig, type DeviceRule, type PartialConfig } from '../../src/config/config.ts';

const rule = (word: 'vga' | 'nvme'): DeviceRule => ({ match: { by: 'class', word }, bars: new Map() });

describe('mergeConfig', () => {
  it('changes nothing for a file that says nothing', () => {
    assert.deepEqual(mergeConfig(defaultConfig, {}), defaultConfig);
  });

  it('replaces single values and keeps their neighbours', () => {
    const merged = mergeConfig(defaultConfig, { timeouts: { lock: 5 }, log: { level: 'debug' } });
    assert.deepEqual(merged.timeouts, { ...defaultConfig.timeouts, lock: 5 });
    assert.deepEqual(merged.log, { level: 'debug' });
  });

  it('keeps a value of all guests that the guest does not mention', () => {
    const files: PartialConfig[] = [
      { timeouts: { lock: 5 }, log: { level: 'err' } },
      { timeouts: { kernelWrite: 7, run: 9 } },
    ];
    const merged = files.reduce(mergeConfig, defaultConfig);
    assert.deepEqual(merged.timeouts, { kernelWrite: 7, run: 9, lock: 5, script: 120_000 });
    assert.deepEqual(merged.log, { level: 'err' });
  });

  it('takes huge pages and cards of a file as a whole', () => {
    const pages = { sizeKb: 2048, count: 'auto', node: 0 } as const;
    const card = { pf: pci('0000:02:00.0'), vfs: 4, autoprobe: false };
    const all = mergeConfig(defaultConfig, { hugepages: pages, sriov: [card] });
    assert.deepEqual([all.hugepages, all.sriov], [pages, [card]]);
    const own = mergeConfig(all, { hugepages: { sizeKb: 1_048_576, count: 3 } });
    assert.deepEqual([own.hugepages, own.sriov], [{ sizeKb: 1_048_576, count: 3 }, [card]]);
    assert.deepEqual(mergeConfig(all, {}), all);
  });

  it('takes what a guest’s own file says of NVIDIA’s driver, and leaves the rest', () => {
    const all = mergeConfig(defaultConfig, {
      services: { stop: [{ name: 'a.service' }], start: [], nvidia: 'keep' },
      modules: { unload: true, nvidia: 'keep' },
    });
    const own = mergeConfig(all, {
      services: { stop: [], start: [], nvidia: 'auto' },
      modules: { nvidia: 'unload' },
    });
    assert.deepEqual(own.services, { stop: [{ name: 'a.service' }], start: [], nvidia: 'auto' });
    assert.deepEqual(own.modules, { unload: true, nvidia: 'unload' });
    assert.deepEqual(mergeConfig(all, { services: { stop: [], start: [] } }).services.nvidia, 'keep');
  });

  it('appends rules', () => {
    const merged = [{ devices: [rule('vga')] }, {}, { devices: [rule('nvme'), rule('vga')] }].reduce(
      mergeConfig,
      defaultConfig,
    );
    assert.deepEqual(merged.devices, [rule('vga'), rule('nvme'), rule('vga')]);
  });

  it('leaves the defaults as they were', () => {
    mergeConfig(defaultConfig, { timeouts: { lock: 1 }, devices: [rule('vga')], log: { level: 'err' } });
    assert.deepEqual(defaultConfig, {
      timeouts: { kernelWrite: 30_000, run: 120_000, lock: 30_000, script: 120_000 },
      devices: [],
      log: { level: 'info' },
      sriov: [],
      vgpu: [],
      mdev: [],
      services: { stop: [], start: [] },
      modules: {},
      allowUnsafeInterrupts: false,
    });
  });
});
