import assert from 'node:assert/strict';
import { hintText } from '../../src/hint.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import { pinChanges, pinRefusal, resetMethodsBack, type PinCase } from '../../src/plan/pins.ts';
import { claimOf, gpu } from './snapshots.ts';

const card = (facts: Partial<PciDevice> = {}): PciDevice =>
  gpu({ resetMethods: ['flr', 'bus'], powerControl: 'auto', d3coldAllowed: true, ...facts });

const without = (device: PciDevice, ...keys: (keyof PciDevice)[]): PciDevice =>
  Object.fromEntries(
    Object.entries(device).filter(([key]) => !keys.includes(key as keyof PciDevice)),
  ) as unknown as PciDevice;

/** What an earlier claim says that the card was like. */
const claimed = (
  resetMethods: readonly string[],
  d3coldAllowed?: boolean,
): NonNullable<PinCase['earlier']> => ({
  address: card().address,
  group: 1,
  vendor: '1002',
  device: '744c',
  driver: 'vfio-pci',
  original: { bars: [], resetMethods, ...(d3coldAllowed !== undefined && { d3coldAllowed }) },
});

describe('pinChanges', () => {
  const rows: readonly (readonly [name: string, given: PinCase, pins: object])[] = [
    ['nothing where nothing is wished', { device: card(), rule: {} }, {}],
    ['another order', { device: card(), rule: { reset: ['bus', 'flr'] } }, { resetMethods: ['bus', 'flr'] }],
    ['no reset at all', { device: card(), rule: { reset: [] } }, { resetMethods: [] }],
    ['nothing for what is so already', { device: card(), rule: { reset: ['flr', 'bus'], d3cold: true } }, {}],
    ['that it may not lose its power', { device: card(), rule: { d3cold: false } }, { d3coldAllowed: false }],
    [
      'power also where it is so: a bind changes it',
      { device: card(), rule: { power: 'auto' } },
      { powerControl: 'auto' },
    ],
    [
      'nothing for a device that is not reset anyway',
      { device: without(card(), 'resetMethods'), rule: { reset: [] } },
      {},
    ],
    [
      'what a kernel module brings along, and so is not in the list',
      { device: card({ sharesBus: true }), rule: { reset: ['device_specific'] } },
      { resetMethods: ['device_specific'] },
    ],
    [
      'a method that an earlier run of the same owner has left out',
      { device: card({ resetMethods: ['flr'] }), rule: { reset: ['bus'] }, earlier: claimed(['flr', 'bus']) },
      { resetMethods: ['bus'] },
    ],
    [
      'a method that the detach of the device has left out',
      {
        device: card({ resetMethods: ['flr'] }),
        rule: { reset: ['bus'] },
        detached: claimOf([claimed(['flr', 'bus'])]),
      },
      { resetMethods: ['bus'] },
    ],
    [
      'back what an earlier run has set and nobody wishes any more',
      {
        device: card({ resetMethods: ['flr'], d3coldAllowed: false }),
        rule: {},
        earlier: claimed(['flr', 'bus'], true),
      },
      { resetMethods: ['flr', 'bus'], d3coldAllowed: true },
    ],
    [
      'all that is wished of a device that is not there yet',
      {
        device: without(card({ expected: true }), 'resetMethods', 'powerControl', 'd3coldAllowed'),
        rule: { reset: [], power: 'on', d3cold: false },
      },
      { resetMethods: [], powerControl: 'on', d3coldAllowed: false },
    ],
  ];
  for (const [name, given, pins] of rows) {
    it(`sets ${name}`, () => {
      assert.deepEqual(pinChanges(given), { kind: 'changes', pins });
    });
  }
});

describe('pinRefusal', () => {
  const rows: readonly (readonly [name: string, given: PinCase, reason: string, hint: string])[] = [
    [
      'a method that the device does not have',
      { device: card(), rule: { reset: ['flr', 'pm'] } },
      '0000:03:00.0 cannot be reset by pm',
      'it has flr, bus; all that work now, where somebody has left some out: echo default > /sys/bus/pci/devices/0000:03:00.0/reset_method',
    ],
    [
      'a device whose reset cannot be chosen',
      { device: without(card(), 'resetMethods'), rule: { reset: ['flr'] } },
      'how 0000:03:00.0 is reset cannot be chosen: it has no reset_method',
      'the kernel knows no way to reset the device alone, or is older than 5.15: take reset out of the rule',
    ],
    [
      'bus beside another device, though the kernel shows it',
      { device: card({ sharesBus: true }), rule: { reset: ['bus', 'flr'] } },
      '0000:03:00.0 cannot be reset by bus: it is not alone on its bus',
      'the kernel shows bus for it only because it was found first; it can be reset by flr',
    ],
    [
      'power where there is no power control',
      { device: without(card(), 'powerControl'), rule: { power: 'on' } },
      '0000:03:00.0 has no power/control',
      'take power out of the rule',
    ],
    [
      'd3cold where there is no d3cold_allowed',
      { device: without(card(), 'd3coldAllowed'), rule: { d3cold: false } },
      '0000:03:00.0 has no d3cold_allowed',
      'this kernel was built without ACPI or power management: take d3cold out of the rule',
    ],
  ];
  for (const [name, given, reason, hint] of rows) {
    it(`refuses ${name}`, () => {
      const refusal = pinRefusal(given);
      assert.deepEqual([refusal?.reason, refusal && hintText(refusal.hint)], [reason, hint]);
      assert.equal(pinChanges(given).kind, 'refused');
    });
  }

  it('lets bus stay beside another device where it is so already: nothing is written', () => {
    const device = card({ resetMethods: ['bus'], sharesBus: true });
    assert.equal(pinRefusal({ device, rule: { reset: ['bus'] } }), undefined);
  });
});

describe('resetMethodsBack', () => {
  const rows: readonly (readonly [
    name: string,
    before: readonly string[] | undefined,
    device: PciDevice,
    back: readonly string[] | undefined,
  ])[] = [
    ['all of them', ['flr', 'bus'], card({ resetMethods: ['flr'] }), ['flr', 'bus']],
    ['without bus, which is lost', ['flr', 'bus'], card({ resetMethods: ['flr'], sharesBus: true }), ['flr']],
    ['as they are', ['flr', 'bus'], card({ sharesBus: true }), ['flr', 'bus']],
    ['nothing where nothing is known', undefined, card(), undefined],
  ];
  for (const [name, resetMethods, device, back] of rows) {
    it(name, () => {
      assert.deepEqual(resetMethodsBack({ ...(resetMethods && { resetMethods }) }, device), back);
    });
  }
});
