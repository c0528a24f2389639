import fc from 'fast-check';

import { addresses, type PlayedDevice, playedDevices } from './devices.ts';
import type { Action } from './sequence.ts';

const bus = '/sys/bus/pci';

/**
 * Texts for driver_override that no host driver has to cope with: an override with the name of a host driver makes
 * that driver probe whatever the device is, which on a real kernel ends anywhere.
 */
const overrides = ['vfio-pci\n', 'vfio-pci', 'pci-stub\n', 'none\n', '\n', '\n', '\n', '\0', ''];
const oddOverrides = ['(null)\n', 'vfio-pci \n', 'vfio-pci\nnone', 'x'.repeat(4094), 'x'.repeat(4095), ' \n'];

/** Sizes from 64 MiB to 16 GiB are possible: 6 to 14. */
const sizes = [
  '6',
  '7\n',
  '8\n',
  '8\n',
  '9',
  '0xa',
  '14',
  '015\n',
  '3',
  '31',
  '15',
  '64',
  '08',
  '-1',
  'junk',
  '\n',
  '9 9',
  '',
];

const resetMethods = [
  '\n',
  'default\n',
  'bogus\n',
  'flr',
  'pm\n',
  'bus\n',
  'flr bus',
  'bus flr\n',
  'pm bus',
  'flr flr\n',
  'acpi',
  '',
];

/** The smallest piece of a sequence: one operation, or a few that belong together. */
const piece: fc.Arbitrary<readonly Action[]> = fc.oneof(
  { weight: 120, arbitrary: device().chain(onDevice) },
  { weight: 20, arbitrary: device().chain(journey) },
  {
    weight: 20,
    arbitrary: constants(...sizes.map((data) => attribute(addresses.rebar, 'resource2_resize', data))),
  },
  // Each change sleeps for a second or two.
  {
    weight: 1,
    arbitrary: constants(
      ...['0', '1\n', '2', '3', '99', '70000', '-1', 'x', '0x2'].map((data) =>
        attribute(addresses.igb, 'sriov_numvfs', data),
      ),
    ),
  },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom<Action>(
        { load: 'vfio-pci' },
        { load: 'vfio-pci' },
        { unload: 'vfio_pci' },
        { unload: 'vfio_pci_core' },
        { unload: 'vfio_iommu_type1' },
        { unload: 'vfio' },
        { load: 'e1000e' },
        { unload: 'e1000e' },
        { load: 'e1000' },
        { unload: 'e1000' },
      )
      .map((action) => [action]),
  },
  { weight: 1, arbitrary: fc.constant(virtualFunctions()) },
  { weight: 4, arbitrary: removal() },
);

/** So many sequences of 10 to 40 operations, the same for the same seed. */
export function sequences(count: number, seed: number): readonly (readonly Action[])[] {
  return fc.sample(sequence, { numRuns: count, seed });
}

/** One sequence. */
export const sequence: fc.Arbitrary<readonly Action[]> = fc
  .integer({ min: 10, max: 40 })
  .chain((length) =>
    fc.array(piece, { minLength: length, maxLength: length }).map((pieces) => pieces.flat().slice(0, length)),
  );

function device(): fc.Arbitrary<PlayedDevice> {
  return fc.oneof(...playedDevices.map((each) => ({ weight: each.weight, arbitrary: fc.constant(each) })));
}

/** One write to an attribute of a device, or of a device's address to a driver. */
function onDevice({ address, driver }: PlayedDevice): fc.Arbitrary<readonly Action[]> {
  const ours = driver === undefined ? [] : [driver, driver];
  const names = fc.constantFrom('vfio-pci', 'vfio-pci', 'pci-stub', ...ours, 'e1000e', 'nvme', 'absent');
  const written = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(address, `${address}\n`) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        `${address} `,
        address.slice(5),
        `${address}\n\n`,
        `${address.slice(0, -1)}7`,
        'junk',
        '',
      ),
    },
  );
  const texts = [...overrides, ...(driver === undefined ? [] : [`${driver}\n`])];
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(names, written)
        .map(([name, data]) => [{ write: `${bus}/drivers/${name}/unbind`, data }]),
    },
    {
      weight: 5,
      arbitrary: fc
        .tuple(names, written)
        .map(([name, data]) => [{ write: `${bus}/drivers/${name}/bind`, data }]),
    },
    { weight: 6, arbitrary: constants(...texts.map((text) => attribute(address, 'driver_override', text))) },
    {
      weight: 1,
      arbitrary: constants(...oddOverrides.map((text) => attribute(address, 'driver_override', text))),
    },
    { weight: 4, arbitrary: written.map((data) => [{ write: `${bus}/drivers_probe`, data }]) },
    {
      weight: 2,
      arbitrary: constants(
        ...['auto', 'on\n', 'on', 'x', 'auto \n', ''].map((text) =>
          attribute(address, 'power/control', text),
        ),
      ),
    },
    {
      weight: 1,
      arbitrary: constants(
        ...['0', '1\n', 'x', '2', ''].map((text) => attribute(address, 'd3cold_allowed', text)),
      ),
    },
    {
      weight: 2,
      arbitrary: constants(...resetMethods.map((text) => attribute(address, 'reset_method', text))),
    },
  );
}

/** The way that a hook takes a device, or gives it back; single writes seldom come together so. */
function journey({ address, driver }: PlayedDevice): fc.Arbitrary<readonly Action[]> {
  const host = driver ?? 'pci-stub';
  const write = (path: string, data: string): Action => ({ write: `${bus}/${path}`, data });
  const override = (text: string): Action => attribute(address, 'driver_override', text);
  return fc.constantFrom(
    [
      override('vfio-pci\n'),
      write(`drivers/${host}/unbind`, address),
      write('drivers/vfio-pci/bind', address),
    ],
    [override('pci-stub\n'), write(`drivers/${host}/unbind`, address), write('drivers_probe', address)],
    [write('drivers/vfio-pci/unbind', address), override('\n'), write(`drivers/${host}/bind`, address)],
    [write('drivers/vfio-pci/unbind', address), override('\n'), write('drivers_probe', address)],
  );
}

/** Removing a device and finding it again, sometimes with something in between. */
function removal(): fc.Arbitrary<readonly Action[]> {
  // Not igb, whose search for its link takes seconds, and not the card with the console.
  const cards = fc.constantFrom(addresses.nic, addresses.rebar, addresses.bridgeNic, addresses.bridge);
  const rescan: Action = { write: `${bus}/rescan`, data: '1' };
  return fc.tuple(cards, fc.boolean()).map(([address, found]) => {
    const remove = attribute(address, 'remove', '1\n');
    return found ? [remove, rescan] : [remove];
  });
}

/** Two virtual functions, one of them for a guest; they are seldom there otherwise. */
function virtualFunctions(): readonly Action[] {
  return [
    attribute(addresses.igb, 'sriov_numvfs', '2'),
    attribute(addresses.vf0, 'driver_override', 'vfio-pci\n'),
    { write: `${bus}/drivers/vfio-pci/bind`, data: addresses.vf0 },
  ];
}

function attribute(address: string, name: string, data: string): Action {
  return { write: `${bus}/devices/${address}/${name}`, data };
}

function constants(...actions: readonly Action[]): fc.Arbitrary<readonly Action[]> {
  return fc.constantFrom(...actions).map((action) => [action]);
}
