import type { Host } from '../../host/host.ts';
import { boundDriver } from '../../observe/bound-driver.ts';
import { profilePlace } from '../../observe/function-profile.ts';
import { notAnswering } from '../../observe/not-answering.ts';
import { typesOfModel } from '../../observe/vgpu.ts';
import { openFunction, routingOf } from '../../observe/virtual-functions.ts';
import { parsePciAddress, type PciAddress } from '../../pci/address.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';
import { textOf } from '../vgpu/types.ts';

/**
 * What cards with virtual functions are like. Their number is read under the card's lock (drivers/pci/iov.c:
 * sriov_numvfs_show), which another write may hold for long. Throws VH_STUCK then.
 */
export const readVfs: Reader<'vfs'> = async (host, keys, deadlineMs) => {
  const cards = keys.flatMap((key) => parsePciAddress(key) ?? []);
  const read = await host.readLocked(
    cards.map((card) => sysfs.attribute(card, 'sriov_numvfs')),
    deadlineMs,
  );
  if (read.kind === 'stuck') throw notAnswering(read);
  const seen = new Map<string, SeenOf<'vfs'>>();
  for (const card of cards) {
    const count = Number(read.texts.get(sysfs.attribute(card, 'sriov_numvfs')) ?? NaN);
    if (Number.isInteger(count)) seen.set(card, await seenOf(host, card, count));
  }
  return seen;
};

async function seenOf(host: Host, card: PciAddress, count: number): Promise<SeenOf<'vfs'>> {
  const routing = routingOf(host, card);
  const text = (name: string): string => host.read(sysfs.attribute(card, name))?.trim() ?? '';
  const id = (name: string): string => text(name).replace(/^0x/, '');
  return {
    state: {
      count,
      autoprobe: text('sriov_drivers_autoprobe') !== '0',
      power: text('power/control') === 'auto' ? 'auto' : 'on',
    },
    facts: {
      total: Number(text('sriov_totalvfs')),
      offset: 0,
      stride: 0,
      ...routing,
      driver: boundDriver(host, card) ?? '',
      deals: profilePlace(host, card) !== undefined,
      open: openFunction(host, card) ?? '',
      vendor: id('vendor'),
      vfDevice: id('sriov_vf_device'),
      subsystemVendor: id('subsystem_vendor'),
      subsystemDevice: id('subsystem_device'),
      revision: id('revision'),
      class: id('class'),
      vgpuTypes: count === 0 && routing?.byProgram ? textOf(await typesOfModel(host, card)) : '',
    },
  };
}
