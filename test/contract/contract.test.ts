import assert from 'node:assert/strict';
import type { Kernel } from './contract.ts';
import { runRow } from './run.ts';
import { vgpuRows } from './rows-vgpu.ts';
import { labMachine, simulatedTarget, vgpuAddresses, vgpuMachine } from './simulated-target.ts';
import { table } from './table.ts';

const kernels: readonly Kernel[] = ['6.1', '6.12', '7.2'];

describe('the contract with the kernel', () => {
  it('has each row once', () => {
    const ids = table.map((row) => row.id);
    assert.deepEqual(
      ids.filter((id, index) => ids.indexOf(id) !== index),
      [],
    );
  });

  it('covers every row of the table of facts', () => {
    const covered = new Set(table.map((row) => Number.parseInt(row.id, 10)));
    const missing = Array.from({ length: 70 }, (_, index) => index + 1).filter((id) => !covered.has(id));
    assert.deepEqual(missing, []);
  });

  it('is plain data', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(table)), table);
  });

  for (const kernel of kernels) {
    describe(`as the simulated Linux ${kernel} keeps it`, () => {
      for (const row of table.filter((each) => each.kernels?.includes(kernel) ?? true)) {
        it(`${row.id}: ${row.name}`, async () => {
          const target = simulatedTarget(labMachine(kernel, row.boot));
          assert.deepEqual(await runRow(target, row), []);
        });
      }
      for (const row of vgpuRows) {
        it(`${row.id}: ${row.name}`, async () => {
          assert.deepEqual(await runRow(simulatedTarget(vgpuMachine(kernel), vgpuAddresses), row), []);
        });
      }
    });
  }
});
