import assert from 'node:assert/strict';
import { readVfioState } from '../../src/observe/vfio-state.ts';
import type { VfioState } from '../../src/pci/vfio-state.ts';
import { fakeHost } from '../host/fake-host.ts';

const DEP = '/lib/modules/6.12/modules.dep';
const both = 'kernel/vfio-pci.ko:\nkernel/vfio_iommu_type1.ko:\n';
const padding = `${' '.repeat(70)}\n`.repeat(1000);

function state(files: Readonly<Record<string, string>>, empty: readonly string[] = []): VfioState {
  const all = { '/proc/sys/kernel/osrelease': '6.12\n', [DEP]: both, ...files };
  const bytes = Object.fromEntries(
    Object.entries(files).map(([path, text]) => [path, new TextEncoder().encode(text)]),
  );
  return readVfioState(fakeHost({ files: all, bytes, empty }));
}

describe('readVfioState', () => {
  for (const [what, interrupts, expected] of [
    ['MSI behind the IOMMU', ' 24: 0 IR-PCI-MSI-0000:03:00.0 0-edge\n', 'remapped'],
    ['an IO-APIC behind it', '  1: 0 IR-IO-APIC 1-edge i8042\n', 'remapped'],
    ['neither', '  1: 0 IO-APIC 1-edge\n 24: 0 PCI-MSI 1-edge\n', 'not-remapped'],
    ['another processor', ' 11: 0 GICv3 27 Level arch_timer\n', 'unknown'],
    ['what is told far down only', `  1: 0 IO-APIC 1-edge\n${padding} 24: 0 IR-PCI-MSI\n`, 'remapped'],
    ['nothing', '', 'unknown'],
  ] as const) {
    it(`tells by /proc/interrupts: ${what}: ${expected}`, () => {
      assert.equal(state({ '/proc/interrupts': interrupts }).interrupts, expected);
    });
  }

  it('reads the parameter that lets guests start all the same', () => {
    const path = '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts';
    assert.deepEqual(
      [{ [path]: 'Y\n' }, { [path]: 'N\n' }, {}].map((files) => state(files).unsafeInterrupts),
      [true, false, undefined],
    );
  });

  const rows: readonly [string, Readonly<Record<string, string>>, readonly string[], string, string][] = [
    ['modules that can be loaded', {}, [], 'module', 'module'],
    [
      'a registered driver and a loaded back end',
      {},
      ['drivers/vfio-pci', 'vfio_iommu_type1'],
      'there',
      'there',
    ],
    ['the back end of POWER', {}, ['vfio_iommu_spapr_tce'], 'module', 'there'],
    ['iommufd in place of type 1', { [DEP]: 'kernel/iommufd.ko:\n' }, [], 'missing', 'there'],
    ['a kernel without VFIO', { [DEP]: 'kernel/ext4.ko:\n' }, [], 'missing', 'missing'],
  ];
  for (const [what, files, empty, driver, backEnd] of rows) {
    it(`knows ${what}`, () => {
      const paths = empty.map((name) =>
        name.startsWith('drivers/') ? `/sys/bus/pci/${name}` : `/sys/module/${name}`,
      );
      const found = state(files, paths);
      assert.deepEqual([found.driver, found.backEnd], [driver, backEnd]);
    });
  }
});
