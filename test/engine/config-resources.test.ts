import assert from 'node:assert/strict';
import { createMachine } from '../../simulator/machine.ts';
import type { PartialConfig } from '../../src/config/config.ts';
import { resourceRemarks } from '../../src/engine/config-resources.ts';
import { formatValuePath } from '../../src/config/problem.ts';
import { hintText } from '../../src/hint.ts';
import { machineSpec, pci } from '../scenario.ts';

function remarks(config: PartialConfig): string[] {
  const host = createMachine(machineSpec('sriov-nic')).host();
  return resourceRemarks(config, host).map(({ path, severity, text, hints }) => {
    assert.equal(severity, 'warning');
    return `${formatValuePath(path)}: ${text} (${hints.map(hintText).join('; ')})`;
  });
}

const card = (pf: string, vfs: number): PartialConfig => ({
  sriov: [{ pf: pci(pf), vfs, autoprobe: false }],
});

describe('what there is to say about huge pages and virtual functions', () => {
  it('is nothing where the host has them', () => {
    assert.deepEqual(remarks({}), []);
    assert.deepEqual(remarks({ hugepages: { sizeKb: 2048, count: 'auto', node: 0 } }), []);
    assert.deepEqual(remarks({ hugepages: { sizeKb: 1_048_576, count: 1 } }), []);
    assert.deepEqual(remarks(card('0000:17:00.1', 64)), []);
  });

  it('is that there is no such pool', () => {
    const see = '(ls /sys/devices/system/node/node*/hugepages)';
    assert.deepEqual(remarks({ hugepages: { sizeKb: 2048, count: 1, node: 1 } }), [
      `hugepages: this host has no huge pages of 2 MiB on node 1: a guest with it cannot start ${see}`,
    ]);
    assert.deepEqual(remarks({ hugepages: { sizeKb: 64, count: 1 } }), [
      `hugepages: this host has no huge pages of 64 KiB: a guest with it cannot start ${see}`,
    ]);
  });

  it('is that a card is not there, makes none, or not so many', () => {
    assert.deepEqual(remarks(card('0000:7f:00.0', 1)), [
      'sriov[0].pf: there is no 0000:7f:00.0 on this host: this has no effect (compare with: lspci -nn)',
    ]);
    assert.deepEqual(remarks(card('0000:02:00.0', 1)), [
      'sriov[0].pf: 0000:02:00.0 can have no virtual functions: a guest that is assigned one cannot start (it may be off in the firmware setup: SR-IOV)',
    ]);
    assert.deepEqual(remarks(card('0000:17:00.0', 65)), [
      'sriov[0].vfs: 0000:17:00.0 can have 64 virtual functions: a guest that is assigned one cannot start (set vfs to 64 or less)',
    ]);
  });
});
