import assert from 'node:assert/strict';

import type { LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import { expectDriver } from '../guest/expect.ts';
import { differences, takeSnapshot } from '../guest/snapshot.ts';
import { devices } from '../guest/topology.ts';
import { card } from './life-cycle.ts';

/** Start and destroy, over and over: nothing drifts. */
export function enduranceCases(cycles: number): readonly LabCase[] {
  return [
    {
      name: `a guest with a graphics card starts and is destroyed ${cycles} times, and nothing drifts`,
      limit: 60 + 30 * cycles,
      async run(context) {
        const before = takeSnapshot();
        const domain = await Domain.define(context, 'enduring', card);
        const started = performance.now();
        for (let cycle = 1; cycle <= cycles; cycle += 1) {
          await domain.start();
          expectDriver('vfio-pci', devices.gpu, devices.gpuAudio);
          await domain.destroy();
          assert.deepEqual(differences(before, takeSnapshot()), [], `after cycle ${cycle}`);
        }
        const each = (performance.now() - started) / 1000 / cycles;
        context.note(`${cycles} cycles, 0 differences, ${each.toFixed(1)} s each`);
      },
    },
  ];
}
