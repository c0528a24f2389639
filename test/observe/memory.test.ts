import assert from 'node:assert/strict';
import { memoryNodes, readMemory, readWholeKb } from '../../src/observe/memory.ts';
import { fakeHost } from '../host/fake-host.ts';

const host = fakeHost({
  files: {
    '/proc/meminfo':
      'MemTotal:       24684084 kB\nMemFree:        22051272 kB\nMemAvailable:   22644512 kB\n',
    '/sys/devices/system/node/node1/meminfo': [
      'Node 1 MemTotal:        6777036 kB',
      'Node 1 MemFree:         1000 kB',
      'Node 1 Active:           545024 kB',
      'Node 1 Active(anon):       4760 kB',
      'Node 1 Active(file):     200 kB',
      'Node 1 Inactive(file):   30 kB',
      'Node 1 SReclaimable:     4 kB',
      '',
    ].join('\n'),
    '/proc/buddyinfo': [
      'Node 0, zone      DMA      0      0      0      0      0      0      0      0      1      1      3 ',
      'Node 0, zone   Normal     14    144   1929   1866   1138    833    578    345    183     42     41 ',
      'Node 1, zone   Normal      9      9      9      9      9      9      9      9      9      2      1 ',
      '',
    ].join('\n'),
  },
});

describe('memory of the host', () => {
  it('is what the kernel takes for available, and of a node what it takes that from', () => {
    assert.deepEqual(readMemory(host), { totalKb: 24_684_084, availableKb: 22_644_512 });
    assert.deepEqual(readMemory(host, 1), { totalKb: 6_777_036, availableKb: 1234 });
    assert.deepEqual(readMemory(host, 2), { totalKb: 0, availableKb: 0 });
  });

  it('is whole in blocks that are large enough', () => {
    assert.equal(readWholeKb(host, 2048, 0), (1 + 42) * 2048 + (3 + 41) * 4096);
    assert.equal(readWholeKb(host, 2048, 1), 2 * 2048 + 4096);
    assert.equal(readWholeKb(host, 2048), (1 + 42 + 2) * 2048 + (3 + 41 + 1) * 4096);
    assert.equal(readWholeKb(host, 64, 1), 9 * (64 + 128 + 256 + 512 + 1024) + 2 * 2048 + 4096);
  });

  it('is never known to be whole for pages that are larger than any block', () => {
    assert.equal(readWholeKb(host, 1_048_576), 0);
  });

  it('has nodes by number, however many digits', () => {
    const names = ['node10', 'node2', 'node0', 'has_cpu', 'possible'];
    const some = fakeHost({ empty: names.map((name) => `/sys/devices/system/node/${name}`) });
    assert.deepEqual(memoryNodes(some), [0, 2, 10]);
    assert.equal(memoryNodes(fakeHost({})), undefined);
  });
});
