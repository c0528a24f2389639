import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseBars } from '../../src/pci/bar.ts';
import { inconsistencies } from './consistency.ts';
import type { Machine } from '../../simulator/machine.ts';
import type { ResizeRollback } from '../../simulator/spec.ts';
import { answer, attribute, example, exampleSpec, radeon, toVfio } from './machines.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** Sizes of the card's BARs as the kernel shows them: 0 for one without an address. */
function sizes(machine: Machine, address: string): Record<number, number> {
  const resource = machine.host().read(attribute(address, 'resource')) ?? '';
  return Object.fromEntries(parseBars(resource, new Map()).map((bar) => [bar.index, bar.size]));
}

/** The Radeon, driverless, on a machine whose window for big BARs has this many bytes. */
async function driverless(window: number, resizeRollback?: ResizeRollback): Promise<Machine> {
  const machine = example('amd-rdna3-desktop', {
    window: { start: 512 * GIB, size: window },
    ...(resizeRollback && { resizeRollback }),
  });
  await answer(machine.host(), '/sys/bus/pci/drivers/amdgpu/unbind', radeon.gpu);
  return machine;
}

const resize = (machine: Machine, bar: number, bit: number): Promise<string> =>
  answer(machine.host(), attribute(radeon.gpu, `resource${bar}_resize`), String(bit));

describe('a resizable BAR', () => {
  it('is shown with the sizes that it offers, which is not its size', () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    assert.equal(host.read(attribute(radeon.gpu, 'resource0_resize')), '000000000000ff00\n');
    assert.equal(host.read(attribute(radeon.gpu, 'resource2_resize')), '00000000000001fe\n');
    assert.equal(host.read(attribute(radeon.gpu, 'resource5_resize')), undefined);
    assert.deepEqual(sizes(machine, radeon.gpu), { 0: 16 * GIB, 2: 256 * MIB, 4: 256, 5: MIB });
  });

  it('is resized with its bridges, the other BARs keep their sizes', async () => {
    const machine = await driverless(128 * GIB);
    assert.equal(await resize(machine, 2, 3), 'ok');
    assert.equal(await resize(machine, 0, 15), 'ok');
    assert.deepEqual(sizes(machine, radeon.gpu), { 0: 32 * GIB, 2: 8 * MIB, 4: 256, 5: MIB });
    assert.deepEqual(inconsistencies(machine.state()), []);
    const bridge = machine.host().read(attribute('0000:02:00.0', 'resource'))?.split('\n')[15];
    assert.match(bridge ?? '', /^0x00000[0-9a-f]+ 0x00000[0-9a-f]+ 0x0000000000142208$/);
  });

  it('is never resized while a driver is bound', async () => {
    const machine = example('amd-rdna3-desktop');
    assert.equal(await resize(machine, 2, 3), 'EBUSY');
    await toVfio(machine.host(), radeon.gpu);
    assert.equal(await resize(machine, 2, 3), 'EBUSY');
  });

  const rollbacks = [
    ['full', { 0: 16 * GIB, 2: 256 * MIB, 4: 256, 5: MIB }],
    ['weak', { 0: 16 * GIB, 2: 0, 4: 256, 5: MIB }],
    ['lost', { 0: 0, 2: 0, 4: 256, 5: MIB }],
  ] as const;
  for (const [rollback, expected] of rollbacks) {
    it(`without room is ENOSPC, and a roll-back of the kind ${rollback} leaves what it leaves`, async () => {
      const machine = await driverless(20 * GIB, rollback);
      assert.equal(await resize(machine, 0, 15), 'ENOSPC');
      assert.deepEqual(sizes(machine, radeon.gpu), expected);
    });
  }

  it('that has lost its address gets one when the card is removed and found again', async () => {
    const machine = await driverless(20 * GIB, 'lost');
    const host = machine.host();
    assert.equal(await resize(machine, 0, 15), 'ENOSPC');
    assert.equal(await answer(host, attribute(radeon.gpu, 'remove'), '1'), 'ok');
    assert.equal(await answer(host, '/sys/bus/pci/rescan', '1'), 'ok');
    assert.deepEqual(sizes(machine, radeon.gpu), { 0: 16 * GIB, 2: 256 * MIB, 4: 256, 5: MIB });
    assert.deepEqual(inconsistencies(machine.state()), []);
  });

  it('rolls back as its kernel does when the machine does not say', async () => {
    for (const [kernel, kept] of [
      ['6.12', 0],
      ['7.2', 256 * MIB],
    ] as const) {
      const machine = example('amd-rdna3-desktop', { kernel, window: { start: 512 * GIB, size: 20 * GIB } });
      await answer(machine.host(), '/sys/bus/pci/drivers/amdgpu/unbind', radeon.gpu);
      assert.equal(await resize(machine, 0, 15), 'ENOSPC');
      assert.equal(sizes(machine, radeon.gpu)[2], kept, kernel);
    }
  });

  it('evicts the boot console of its card also when the size is refused', async () => {
    const machine = example('intel-arc', { console: { kind: 'vga' } });
    const host = machine.host();
    await answer(host, '/sys/bus/pci/drivers/i915/unbind', '0000:03:00.0');
    assert.equal(await answer(host, attribute('0000:03:00.0', 'resource2_resize'), '20'), 'EINVAL');
    assert.ok(!machine.state().consoles.some((console) => console.text === 'VGA+'));
  });

  it('stays consistent through any series of resizes, and goes back to where it was', async () => {
    const spec = exampleSpec('amd-rdna3-desktop');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(0, 2), fc.integer({ min: 0, max: 16 })), { maxLength: 12 }),
        async (writes) => {
          const machine = example('amd-rdna3-desktop', { ...spec, resizeRollback: 'full' });
          await answer(machine.host(), '/sys/bus/pci/drivers/amdgpu/unbind', radeon.gpu);
          for (const [bar, bit] of writes) {
            const wanted = 2 ** bit * MIB;
            const before = sizes(machine, radeon.gpu);
            const result = await resize(machine, bar, bit);
            assert.deepEqual(
              sizes(machine, radeon.gpu),
              result === 'ok' ? { ...before, [bar]: wanted } : before,
            );
            assert.deepEqual(inconsistencies(machine.state()), []);
          }
          assert.equal(await resize(machine, 0, 14), 'ok');
          assert.equal(await resize(machine, 2, 8), 'ok');
          assert.deepEqual(sizes(machine, radeon.gpu), { 0: 16 * GIB, 2: 256 * MIB, 4: 256, 5: MIB });
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('the layout at boot', () => {
  it('gives every BAR of every example an address, in the windows of its bridges', () => {
    for (const name of ['server-8-gpu', 'lab-q35', 'nvidia-desktop', 'sriov-nic']) {
      const state = example(name).state();
      const without = Object.values(state.devices).filter((device) =>
        device.bars.some((bar) => bar.start < 0),
      );
      assert.deepEqual(without, [], name);
      assert.deepEqual(inconsistencies(state), [], name);
    }
  });
});
