import assert from 'node:assert/strict';
import type { MachineSpec } from '../../simulator/spec.ts';
import { claims, configure, guestWith, picture, type Guest, type Stage } from '../hook/stage.ts';
import { machineSpec } from '../scenario.ts';
import { atOnce } from './rounds.ts';

const GIB = 1024 * 1024;
const PAGE_KB = 2048;
const PAGES = 16;

/** A card that makes virtual functions, and a pool of huge pages in which there are some. */
export const holdsMachine = (): MachineSpec => {
  const node = { totalKb: 3 * GIB, availableKb: 2 * GIB, wholeKb: 2 * GIB, pinnedKb: 0 };
  return machineSpec('lab-q35', {
    memory: { nodes: [{ ...node, pages: { [PAGE_KB]: PAGES } }], sizesKb: [PAGE_KB], compacts: true },
  });
};

const CARD = '0000:02:00.0';

/** Guests of which each has a virtual function of one card, and pages of its own. */
const [a, b, c] = ['0000:02:10.0', '0000:02:10.2', '0000:02:10.4'].map((device, index) =>
  guestWith([device], {
    name: `guest-${'abc'[index] ?? ''}`,
    uuid: `c7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c1${index}`,
  }),
) as [Guest, Guest, Guest];

/** Guests that have nothing but pages, each a number of its own. */
const withoutDevices = [a, b, c].map(({ name, uuid }) => guestWith([], { name, uuid })) as [
  Guest,
  Guest,
  Guest,
];
const wanted = new Map([
  [a.name, 64],
  [b.name, 32],
  [c.name, 8],
]);

/**
 * Each guest has its pages on top of those that were there and that others have, whoever begins or ends at the same
 * moment; after the last of them the pool is as it was.
 */
export async function sharePool(on: Stage): Promise<void> {
  for (const [name, count] of wanted)
    configure(on, `domains/${name}.yaml`, `hugepages: { size: 2MiB, count: ${count}, node: 0 }\n`);
  const [first, second, third] = withoutDevices;
  const before = picture(on);
  const hasFor = (...guests: readonly Guest[]): void => {
    const sum = guests.reduce((pages, { name }) => pages + (wanted.get(name) ?? NaN), PAGES);
    assert.equal(on.machine.state().memory?.pools[0]?.nodes[0]?.nr, sum, 'pages');
  };
  await atOnce(on, [first, 'prepare'], [second, 'prepare']);
  hasFor(first, second);
  await atOnce(on, [first, 'release'], [third, 'prepare']);
  hasFor(second, third);
  await atOnce(on, [second, 'release'], [third, 'release']);
  assert.deepEqual([picture(on), claims(on)], [before, {}]);
}

/**
 * The virtual functions of a card are made once, by whichever of two guests comes first, are there while one of them is
 * wanted, and go once, with the last.
 */
export async function shareCard(on: Stage): Promise<void> {
  configure(on, 'config.yaml', `sriov: [{ pf: '${CARD}', vfs: 3 }]\n`);
  const before = picture(on);
  await atOnce(on, [a, 'prepare'], [b, 'prepare']);
  has(on, a, b);
  await atOnce(on, [a, 'release'], [c, 'prepare']);
  has(on, b, c);
  await atOnce(on, [b, 'release'], [c, 'release']);
  assert.deepEqual([picture(on), claims(on)], [before, {}]);
  assert.deepEqual(numbersOf(on), ['3', '0']);
}

/** A release and a recover give back what one guest has, and leave what another one uses. */
export async function recoverBesideEnd(on: Stage): Promise<void> {
  configure(
    on,
    'config.yaml',
    `sriov: [{ pf: '${CARD}', vfs: 3 }]\nhugepages: { size: 2MiB, count: 64, node: 0 }\n`,
  );
  const before = picture(on);
  await atOnce(on, [a, 'prepare'], [b, 'prepare']);
  const opened = { do: 'open-group', devices: ['0000:02:10.2'], guest: b.name } as const;
  assert.deepEqual(on.machine.perform(opened), { kind: 'done' });
  on.machine.perform({ do: 'stop-libvirt' });
  await atOnce(on, [a, 'release'], 'recover');
  has(on, b);
  assert.equal(on.machine.state().memory?.pools[0]?.nodes[0]?.nr, PAGES + 64);
  on.machine.perform({ do: 'close-group', guest: b.name });
  await atOnce(on, 'recover', [b, 'release'], 'recover');
  assert.deepEqual([picture(on), claims(on)], [before, {}]);
  assert.deepEqual(numbersOf(on), ['3', '0']);
}

/** These guests, and no others, have their virtual functions. */
function has(on: Stage, ...guests: readonly Guest[]): void {
  const { devices } = on.machine.state();
  const held = Object.values(claims(on)).map(({ owner, state, devices: own }) => {
    const drivers = own.map(({ address }) => devices[address]?.driver);
    return [owner.kind === 'guest' ? owner.name : owner.kind, state, ...drivers].join(' ');
  });
  assert.deepEqual(held.sort(), guests.map(({ name }) => `${name} held vfio-pci`).sort());
  const bound = Object.values(devices).filter(({ driver }) => driver === 'vfio-pci');
  assert.equal(bound.length, guests.length, 'others are on vfio-pci');
}

/** What was written to the card's number of virtual functions, in order. */
function numbersOf(on: Stage): string[] {
  return on.machine
    .journal()
    .filter(({ path }) => path.endsWith(`${CARD}/sriov_numvfs`))
    .map(({ value }) => value.trim());
}
