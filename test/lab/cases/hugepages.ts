import assert from 'node:assert/strict';

import type { LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import { guestMemory } from '../guest/domain-xml.ts';
import { expectDriver } from '../guest/expect.ts';
import { expectPool, setPoolPages } from '../guest/hugepages.ts';
import { configure, vfioHook } from '../guest/product.ts';
import { differences, takeSnapshot } from '../guest/snapshot.ts';
import { devices } from '../guest/topology.ts';

/** The administrator's own pages, which are there before and after. */
const own = 3;
/** Pages that the memory of a guest comes to. */
const backing = guestMemory / 2;
/** What a guest without host devices gets beside it. */
const more = 5;

/** Huge pages that guests add to the host's pool. */
export const hugepageCases: readonly LabCase[] = [
  {
    name: 'holds: two guests add huge pages to the pool, one runs in them, and each end takes away what it brought',
    limit: 240,
    async run(context) {
      setPoolPages(own);
      context.afterwards(() => {
        setPoolPages(0);
      });
      configure(context, 'backed', 'hugepages: { size: 2MiB, count: auto }\n');
      configure(context, 'beside', `hugepages: { size: 2MiB, count: ${more} }\n`);
      const backed = await Domain.define(context, 'backed', [{ address: devices.nic }], { hugepages: true });
      const beside = await Domain.define(context, 'beside', []);

      await backed.start();
      expectDriver('vfio-pci', devices.nic);
      expectPool(own + backing, own);
      await beside.start();
      expectPool(own + backing + more, own + more);
      const { stdout } = await vfioHook('status');
      for (const pages of [backing, more])
        assert.ok(stdout.includes(`huge pages of 2 MiB: ${pages}, before: ${own}`), stdout);

      await backed.shutdown();
      expectPool(own + more, own + more);
      await beside.destroy();
      expectPool(own, own);
    },
  },
  {
    name: 'holds: more huge pages than the host has memory for refuse the start, and nothing is left of it',
    limit: 180,
    async run(context) {
      const before = takeSnapshot();
      for (const [guest, pages, why] of [
        ['greedy', '{ size: 2MiB, count: 100000 }', /100000 more need .* GiB, and the host can spare/],
        // Of the 3 GiB of this machine there is enough to spare, but never two GiB in one piece each.
        [
          'broken-up',
          '{ size: 1GiB, count: 2 }',
          /unbroken memory for [01] only; .* everything is as it was/,
        ],
      ] as const) {
        const domain = await Domain.define(context, guest, [{ address: devices.nic }]);
        configure(context, guest, `hugepages: ${pages}\n`);
        const { status, stderr } = await domain.tryStart();
        assert.notEqual(status, 0, 'the start must be refused');
        assert.match(stderr, why);
        assert.deepEqual(differences(before, takeSnapshot()), []);
      }
    },
  },
];
