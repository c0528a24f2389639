import assert from 'node:assert/strict';
import type { Machine } from '../../simulator/machine.ts';
import type { MemorySpec, NodeSpec } from '../../simulator/spec.ts';
import { answer, example } from './machines.ts';

const MIB = 1024;
const GIB = 1024 * MIB;

function machineWith(...nodes: readonly Partial<NodeSpec>[]): Machine {
  const memory: MemorySpec = {
    sizesKb: [2 * MIB, GIB],
    compacts: true,
    nodes: nodes.map((node) => {
      const availableKb = node.availableKb ?? 8 * GIB;
      return { totalKb: 16 * GIB, availableKb, wholeKb: availableKb, pinnedKb: 0, pages: {}, ...node };
    }),
  };
  return example('lab-q35', { memory });
}

const directory = (node?: number, sizeKb = 2 * MIB): string =>
  `${node === undefined ? '/sys/kernel/mm' : `/sys/devices/system/node/node${node}`}/hugepages/hugepages-${sizeKb}kB`;
const pages = (machine: Machine, file: string, node?: number, sizeKb?: number): number =>
  Number(machine.host().read(`${directory(node, sizeKb)}/${file}_hugepages`));
const set = (machine: Machine, count: number, node?: number, sizeKb?: number): Promise<string> =>
  answer(machine.host(), `${directory(node, sizeKb)}/nr_hugepages`, String(count));

describe('huge pages of a simulated machine', () => {
  it('are there after boot as described, and again after the next one', async () => {
    const machine = machineWith({ pages: { [2 * MIB]: 256 } });
    assert.deepEqual([pages(machine, 'nr'), pages(machine, 'free', 0)], [256, 256]);
    await set(machine, 300);
    machine.perform({ do: 'reboot' });
    assert.equal(pages(machine, 'nr'), 256);
  });

  it('are fewer than asked for where there is not enough memory, and that is a success', async () => {
    const machine = machineWith({ availableKb: 20 * MIB });
    assert.equal(await set(machine, 100), 'ok');
    assert.deepEqual([pages(machine, 'nr'), pages(machine, 'free')], [10, 10]);
  });

  it('are fewer than asked for where memory is broken, until it is compacted', async () => {
    const machine = machineWith({ availableKb: 40 * MIB, wholeKb: 20 * MIB, pinnedKb: 10 * MIB });
    await set(machine, 100);
    assert.equal(pages(machine, 'nr'), 10);
    assert.equal(await answer(machine.host(), '/proc/sys/vm/compact_memory', '1'), 'ok');
    await set(machine, 100);
    assert.equal(pages(machine, 'nr'), 15, 'what is pinned stays where it is');
  });

  it('take memory from one another: a gigantic page is made of what pages of 2 MiB give back', async () => {
    const machine = machineWith({ availableKb: GIB });
    await set(machine, 512);
    await set(machine, 1, undefined, GIB);
    assert.equal(pages(machine, 'nr', undefined, GIB), 0);
    await set(machine, 0);
    await set(machine, 1, undefined, GIB);
    assert.equal(pages(machine, 'nr', undefined, GIB), 1);
  });

  it('are spread over the nodes, and taken from them in turn', async () => {
    const machine = machineWith({}, {});
    await set(machine, 5);
    assert.deepEqual([pages(machine, 'nr', 0), pages(machine, 'nr', 1)], [3, 2]);
    await set(machine, 2);
    assert.deepEqual([pages(machine, 'nr', 0), pages(machine, 'nr', 1)], [1, 1]);
  });

  it('come from the next node when one has no memory', async () => {
    const machine = machineWith({ availableKb: 4 * MIB }, {});
    await set(machine, 10);
    assert.deepEqual([pages(machine, 'nr', 0), pages(machine, 'nr', 1)], [2, 8]);
  });

  it('of one node leave the others as they are', async () => {
    const machine = machineWith({}, { pages: { [2 * MIB]: 7 } });
    await set(machine, 3, 0);
    assert.deepEqual([pages(machine, 'nr', 0), pages(machine, 'nr', 1), pages(machine, 'nr')], [3, 7, 10]);
    await set(machine, 0, 1);
    assert.deepEqual([pages(machine, 'nr', 0), pages(machine, 'nr', 1)], [3, 0]);
  });

  it('that a guest has are free again when its QEMU ends', async () => {
    const machine = machineWith({}, {});
    await set(machine, 8, 1);
    const map = {
      do: 'map-pages',
      program: 'qemu-system-x86',
      guest: 'a',
      sizeKb: 2 * MIB,
      node: 1,
    } as const;
    assert.deepEqual(machine.perform({ do: 'start-qemu', guest: 'a' }), { kind: 'done' });
    assert.deepEqual(machine.perform({ ...map, pages: 6 }), { kind: 'done' });
    assert.deepEqual([pages(machine, 'free', 1), pages(machine, 'resv')], [2, 0]);
    assert.deepEqual(machine.perform({ ...map, guest: 'b', pages: 3 }), { kind: 'refused', errno: 'ENOMEM' });
    assert.equal(
      machine.state().processes.some(({ guest }) => guest === 'b'),
      false,
    );
    machine.perform({ do: 'close-group', guest: 'a' });
    assert.equal(pages(machine, 'free', 1), 8);
  });

  it('are counted in meminfo and buddyinfo', async () => {
    const machine = machineWith({ availableKb: 22 * MIB, wholeKb: 18 * MIB });
    await set(machine, 1);
    const host = machine.host();
    const meminfo = host.read('/proc/meminfo') ?? '';
    assert.match(meminfo, /^MemAvailable: +20480 kB$/m);
    assert.match(meminfo, /^MemFree: +16384 kB$/m);
    assert.match(meminfo, /^HugePages_Total: +1$/m);
    assert.match(meminfo, /^Hugepagesize: +2048 kB$/m);
    assert.equal(
      (host.read('/proc/buddyinfo') ?? '').replace(/ +/g, ' '),
      'Node 0, zone Normal 1024 0 0 0 0 0 0 0 0 0 4 \n',
    );
    const node = host.read('/sys/devices/system/node/node0/meminfo') ?? '';
    assert.match(node, /^Node 0 MemFree: +16384 kB$/m);
    assert.match(node, /^Node 0 Inactive\(file\): +4096 kB$/m);
  });

  it('are not there where the description says nothing of memory, nor is compaction without the kernel’s part for it', () => {
    const { memory, ...rest } = example('lab-q35').state().spec;
    assert.ok(memory);
    const without = example('lab-q35', { ...rest, memory: { ...memory, compacts: false } }).host();
    assert.equal(without.status('/proc/sys/vm/compact_memory'), undefined);
    assert.equal(without.status('/sys/devices/system/node/node0/compact'), undefined);
    const laptop = example('laptop-hybrid').host();
    for (const path of ['/sys/kernel/mm/hugepages', '/sys/devices/system/node', '/proc/meminfo'])
      assert.equal(laptop.status(path), undefined, path);
  });
});
