import assert from 'node:assert/strict';

import type { LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import { configure } from '../guest/product.ts';
import { read } from '../guest/sysfs.ts';
import { property } from '../guest/systemd.ts';

/** The parts of a host that keep off the CPUs of guests. */
const parts = ['system.slice', 'user.slice', 'init.scope'];

/**
 * What systemd says that a part may use, and what the kernel has come to: systemd takes the controller away from a group where
 * nobody wants it, and then what is above counts.
 */
async function cpusOf(part: string): Promise<readonly string[]> {
  const effective = ['/sys/fs/cgroup', `/sys/fs/cgroup/${part}`].map((group) =>
    read(`${group}/cpuset.cpus.effective`),
  );
  return [await property({ name: part }, 'AllowedCPUs'), effective[1] ?? effective[0] ?? ''];
}

async function cpusOfAll(): Promise<ReadonlyMap<string, readonly string[]>> {
  const all = new Map<string, readonly string[]>();
  for (const part of parts) all.set(part, await cpusOf(part));
  return all;
}

export const cpuCases: readonly LabCase[] = [
  {
    name: 'services, sessions and systemd keep off a CPU while a guest runs, and have it again afterwards',
    limit: 200,
    async run(context) {
      const before = await cpusOfAll();
      for (const [part, [, effective]] of before) assert.equal(effective, '0-1', part);
      configure(context, 'isolated', 'cpus: { isolate: "1" }\n');
      const domain = await Domain.define(context, 'isolated', []);
      await domain.start();
      for (const [part, [allowed, effective]] of await cpusOfAll()) {
        assert.deepEqual([allowed, effective], ['0', '0'], part);
      }
      await domain.shutdown();
      assert.deepEqual(await cpusOfAll(), before);
    },
  },
];
