import assert from 'node:assert/strict';
import { build } from '../../simulator/build.ts';
import { memoryStore } from '../../simulator/store-memory.ts';
import { exampleSpec } from './machines.ts';

describe('the clock of a machine in memory', () => {
  const store = (): ReturnType<typeof memoryStore> => memoryStore(build(exampleSpec('amd-rdna3-desktop'), 1));

  it('jumps over a pause', async () => {
    const machine = store();
    const began = [machine.now(), performance.now()] as const;
    await machine.pause(3_600_000);
    const passed = machine.now() - began[0];
    assert.ok(passed >= 3_600_000, `${passed} ms`);
    assert.ok(performance.now() - began[1] < 60_000);
  });

  it('adds up no pauses that are made side by side, and ends them in the order of their ends', async () => {
    const machine = store();
    const began = machine.now();
    const ended: number[] = [];
    const pause = async (ms: number): Promise<void> => {
      await machine.pause(ms);
      const passed = machine.now() - began;
      assert.ok(passed >= ms, `${passed} ms instead of ${ms}`);
      ended.push(ms);
    };
    await Promise.all([3_600_000, 1_200_000, 2_400_000].map(pause));
    assert.deepEqual(ended, [1_200_000, 2_400_000, 3_600_000]);
    const passed = machine.now() - began;
    assert.ok(passed < 3_700_000, `${passed} ms`);
  });
});
