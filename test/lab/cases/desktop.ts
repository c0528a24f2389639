import assert from 'node:assert/strict';

import type { LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import { must } from '../guest/execute.ts';
import { expectDriver } from '../guest/expect.ts';
import { stateOf, user } from '../guest/systemd.ts';
import { devices } from '../guest/topology.ts';

/** Cards of four groups; one of them has two, of which only one is assigned. */
const many = [devices.usb, devices.nic, devices.igb, devices.portNic];

export const desktopCases: readonly LabCase[] = [
  {
    name: 'systemd is process 1, a user has a manager of his own, and the recover unit is enabled by install.sh',
    async run() {
      assert.equal((await must('systemctl', ['is-enabled', 'vfio-hook-recover.service'])).trim(), 'enabled');
      assert.equal(await stateOf({ name: `user@${user.id}.service` }), 'active');
      // Nothing was claimed since the start of the machine, so that it had nothing to do.
      assert.equal(await stateOf({ name: 'vfio-hook-recover.service' }), 'inactive');
    },
  },
  {
    name: 'several cards at once: USB, three for the network, of which one has another card in its group, and a disk',
    limit: 240,
    async run(context) {
      const domain = await Domain.define(context, 'many', [
        ...many.map((address) => ({ address })),
        { kind: 'nvme', address: devices.nvme },
      ]);
      await domain.start();
      expectDriver('vfio-pci', ...many, devices.portUsb, devices.nvme);
      await domain.shutdown();
    },
  },
];
