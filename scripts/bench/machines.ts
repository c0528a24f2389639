import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import type { WrittenDescription, WrittenDevice } from '../../simulator/description-schema.ts';
import { parseDescription } from '../../simulator/description.ts';
import type { MachineSpec } from '../../simulator/spec.ts';

/**
 * A machine of examples/hosts as it is when a guest with devices has run since the last boot: vfio's modules are loaded.
 * Its IOMMU remaps interrupts, which the examples leave open. `more` adds devices to it.
 */
export function machineOf(
  name: string,
  more: (description: WrittenDescription) => readonly WrittenDevice[] = () => [],
): MachineSpec {
  const path = `examples/hosts/${name}.yaml`;
  const description = parse(readFileSync(path, 'utf8')) as WrittenDescription;
  const text = stringify({
    ...description,
    interruptRemapping: true,
    loaded: [...(description.loaded ?? []), 'vfio_iommu_type1'],
    devices: [...description.devices, ...more(description)],
  });
  const spec = parseDescription(text, path);
  return {
    ...spec,
    modules: spec.modules.map((module) =>
      module.name.startsWith('vfio') ? { ...module, loaded: true } : module,
    ),
  };
}

/** Further functions of a card, from number `from` on, in its group: sound, which has nothing else to it. */
function soundFunctions(card: WrittenDevice, from: number, count: number): WrittenDevice[] {
  return Array.from({ length: count }, (_, index) => ({
    ...(card.behind !== undefined && { behind: card.behind }),
    ...(card.group !== undefined && { group: card.group }),
    address: card.address.replace(/\d$/, String(from + index)),
    id: `${card.id.slice(0, 4)}:ab3${index}`,
    class: '040300',
    driver: 'snd_hda_intel',
    bars: { '0': { size: '16K' } },
    power: 'auto' as const,
  }));
}

/** Address of the card of the desktop, whose second function is its sound. */
export const CARD = '0000:03:00';

/** The desktop, whose card has so many functions beyond its two. */
export function cardWithFunctions(more: number): MachineSpec {
  return machineOf('amd-rdna3-desktop', ({ devices }) =>
    devices.filter(({ address }) => address === `${CARD}.0`).flatMap((card) => soundFunctions(card, 2, more)),
  );
}

/** The server with eight cards of four functions each, and the addresses of the cards. */
export function eightCards(): { readonly spec: MachineSpec; readonly cards: readonly string[] } {
  const spec = machineOf('server-8-gpu', ({ devices }) =>
    cardsOf(devices).flatMap((card) => soundFunctions(card, 1, 3)),
  );
  return { spec, cards: cardsOf(spec.devices).map(({ address }) => address.replace(/\.0$/, '')) };
}

function cardsOf<Device extends { readonly class: string }>(devices: readonly Device[]): Device[] {
  return devices.filter((device) => device.class === '030200');
}

/** A disk that the host does not use, of {@link hostWithVolumes}. */
export const FREE_DISK = '0000:07:00.0';

/** The desktop with a disk for a guest, and so many logical volumes on its own disk, each with a file system that is mounted. */
export function hostWithVolumes(count: number): MachineSpec {
  return machineOf('amd-rdna3-desktop', ({ devices }) => {
    const disk = devices.find(({ class: code }) => code === '010802')?.disk;
    if (disk?.partitions)
      disk.partitions['nvme0n1p4'] = Array.from({ length: count }, (_, index) => ({
        lvm: `vg0-volume${index}`,
        holds: `/srv/volume${index}`,
      }));
    return [
      {
        address: FREE_DISK,
        id: '144d:a80a',
        class: '010802',
        behind: '0000:00:02.2',
        group: 30,
        driver: 'nvme',
        bars: { '0': { size: '16K', kind: 'mem64' } },
        reset: ['flr', 'bus'],
        disk: { name: 'nvme1n1' },
      },
    ];
  });
}

/** A network card of {@link hostWithNetworkCard}, and its interface. */
export const NETWORK_CARD = '0000:08:00.0';
export const INTERFACE = 'enp8s0';

/** The desktop with a second network card, which has no default route. */
export function hostWithNetworkCard(): MachineSpec {
  return machineOf('amd-rdna3-desktop', () => [
    {
      address: NETWORK_CARD,
      id: '8086:15f3',
      class: '020000',
      behind: '0000:00:02.2',
      group: 31,
      driver: 'igc',
      bars: { '0': { size: '1M' } },
      reset: ['flr', 'bus'],
      net: { name: INTERFACE, up: true },
    },
  ]);
}
