import assert from 'node:assert/strict';
import { release } from 'node:os';

import type { Boot, Kernel, Row } from '../../contract/contract.ts';
import { runRow } from '../../contract/run.ts';
import { table } from '../../contract/table.ts';
import { type LabCase, Skipped } from '../guest/case.ts';
import { contractState, resetMachine } from '../guest/contract-reset.ts';
import { realTarget } from '../guest/contract-target.ts';
import { must } from '../guest/execute.ts';
import { KernelCaller } from '../guest/kernel-caller.ts';
import { insertModule } from '../guest/kernel-modules.ts';
import { waitFor } from '../guest/wait.ts';
import { driverOf } from '../guest/sysfs.ts';
import { hostDrivers, hostModules } from '../guest/topology.ts';

/** What the lab cannot bring about, by the number of the row. */
const impossible: ReadonlyMap<string, string> = new Map([['66', 'no emulated firmware keeps its addresses']]);

/** What `load` and `unload` in the rows take for granted, besides the host drivers. */
export const vfioModules = ['vfio-pci', 'vfio_iommu_type1', 'pci-stub'];

/** The rows for this kernel and this way of booting: the very table that the simulated kernel is tested with. */
export async function contractCases(boot: Boot): Promise<readonly LabCase[]> {
  const modules = [
    ...(boot === 'vga-console' ? hostModules.filter((name) => name !== 'bochs') : hostModules),
  ];
  modules.push(...vfioModules);
  await must('modprobe', ['--all', ...modules]);
  if (boot === 'normal') {
    await insertModule('labvgpu');
    for (const [device, driver] of hostDrivers) {
      await waitFor(
        device,
        20,
        () => driverOf(device) === driver || driverOf(device) === undefined || undefined,
      );
    }
  }
  const state = contractState(modules);
  return rowsFor(boot).map((row) => ({
    name: `contract ${row.id}: ${row.name}`,
    limit: 120,
    async run(context) {
      const reason = impossible.get(row.id);
      if (reason !== undefined) throw new Skipped(reason);
      const caller = new KernelCaller();
      context.afterwards(async () => {
        await caller.close();
        if (row.boot === 'disk-in-use')
          await must('sh', ['-c', 'swapoff -a; ! mountpoint -q /mnt || umount /mnt']);
        await resetMachine(state);
      });
      if (row.boot === 'disk-in-use') await must('sh', ['-c', 'mkswap /dev/nvme0n1 && swapon /dev/nvme0n1']);
      assert.deepEqual(await runRow(realTarget(caller), row), []);
    },
  }));
}

function rowsFor(boot: Boot): readonly Row[] {
  const kernel = thisKernel();
  const rows = table
    .filter((row) => row.kernels?.includes(kernel) ?? true)
    .filter((row) => {
      // A disk is put to use without another boot, and what cannot be brought about is said once.
      const here =
        row.boot === 'disk-in-use' || row.boot === 'firmware-keeps-bars' ? 'normal' : (row.boot ?? 'normal');
      return here === boot;
    });
  // The first row about the text console takes it away until the next boot.
  return boot === 'vga-console' ? rows.reverse() : rows;
}

/** The column of the table that this kernel belongs to. */
export function thisKernel(): Kernel {
  const version = /^\d+\.\d+/.exec(release())?.[0] ?? '';
  if (version === '6.1' || version === '6.12') return version;
  return '7.2';
}
