import { graphicsCards, graphicsHost } from '../../observe/graphics.ts';
import { mdevUuids, openMdev, readMdev, readMdevParents } from '../../observe/mdev.ts';
import type { Host } from '../../host/host.ts';
import type { Mdev } from '../../pci/mdev.ts';
import type { MdevFacts } from '../facts.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';

/** What mediated devices are like, and what they could be made of. Nothing of it waits. */
export const readMdevs: Reader<'mdev'> = (host, keys) => {
  const common = mdevFacts(host);
  return Promise.resolve(
    new Map(
      keys.map((uuid): [string, SeenOf<'mdev'>] => [
        uuid,
        {
          state: common.devices[uuid] ?? { parent: '', type: '' },
          facts: { ...common, open: openMdev(host, uuid) ?? '' },
        },
      ]),
    ),
  );
};

/** What there is of it on this host. */
export function mdevFacts(host: Host): Omit<MdevFacts, 'open'> {
  return {
    parents: readMdevParents(host),
    devices: Object.fromEntries(
      mdevUuids(host).flatMap((uuid): [string, Mdev][] => {
        const mdev = readMdev(host, uuid);
        return mdev ? [[uuid, mdev]] : [];
      }),
    ),
    graphics: graphicsCards(host),
    kernel: graphicsHost(host),
  };
}
