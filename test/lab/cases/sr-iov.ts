import { Domain } from '../guest/domain.ts';
import type { LabCase } from '../guest/case.ts';
import { must } from '../guest/execute.ts';
import { expectDriver } from '../guest/expect.ts';
import { attribute, linkName, write } from '../guest/sysfs.ts';
import { devices } from '../guest/topology.ts';
import { waitFor } from '../guest/wait.ts';
import { driverOf } from '../guest/sysfs.ts';

/** A virtual function as the network card of a guest. */
export const srIovCases: readonly LabCase[] = (['yes', 'no'] as const).map((managed) => ({
  name: `assigned: a virtual function as <interface type='hostdev' managed='${managed}'>`,
  limit: 180,
  async run(context) {
    await must('modprobe', ['igbvf']);
    // libvirt wants /dev/vfio/vfio before it loads anything, and no systemd made it here (kmod static-nodes).
    await must('modprobe', ['vfio-pci']);
    const count = attribute(devices.igb, 'sriov_numvfs');
    write(count, '1');
    context.afterwards(() => {
      write(count, '0');
    });
    const address = linkName(attribute(devices.igb, 'virtfn0')) ?? '';
    await waitFor('igbvf', 20, () => driverOf(address) === 'igbvf' || undefined);
    // libvirt sets the function's MAC address through the card that it belongs to.
    const card = (await must('ls', [attribute(devices.igb, 'net')])).trim();
    await must('ip', ['link', 'set', card, 'up']);
    context.afterwards(async () => {
      await must('ip', ['link', 'set', card, 'down']);
    });

    const domain = await Domain.define(context, 'network', [
      { kind: 'interface', address, managed: managed === 'yes' },
    ]);
    await domain.start();
    expectDriver('vfio-pci', address);
    await domain.shutdown();
    expectDriver('igbvf', address);
  },
}));
