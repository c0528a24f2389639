import assert from 'node:assert/strict';
import type { BetweenEntry } from '../../src/config/config.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import { betweenRefusal, planBetween } from '../../src/plan/between.ts';
import { gpu } from './snapshots.ts';

const reset: BetweenEntry = { do: 'reset' };
const without = (device: PciDevice, key: keyof PciDevice): PciDevice =>
  Object.fromEntries(Object.entries(device).filter(([each]) => each !== key)) as unknown as PciDevice;

describe('what is done between unbind and bind', () => {
  const rows: readonly (readonly [
    name: string,
    device: PciDevice,
    rule: { readonly reset?: readonly string[] },
    entry: BetweenEntry,
    reason: RegExp | undefined,
  ])[] = [
    ['a reset by a method that works', gpu({ resetMethods: ['flr', 'bus'] }), {}, reset, undefined],
    ['a device without any method', gpu(), {}, reset, /cannot be reset: the kernel knows no way/],
    [
      'methods that are switched off',
      gpu({ resetMethods: [] }),
      {},
      reset,
      /all its reset methods are switched off/,
    ],
    ['methods that the rule brings', gpu({ resetMethods: [] }), { reset: ['flr'] }, reset, undefined],
    [
      'none by its own rule',
      gpu({ resetMethods: ['flr'] }),
      { reset: [] },
      reset,
      /its rule says reset: none/,
    ],
    [
      'bus alone, beside its sound function',
      gpu({ resetMethods: ['bus'], sharesBus: true }),
      {},
      reset,
      /bus is its only method, and it is not alone on its bus/,
    ],
    ['bus and another one', gpu({ resetMethods: ['bus', 'pm'], sharesBus: true }), {}, reset, undefined],
    ['its power', gpu(), {}, { do: 'power', to: 'on' }, undefined],
    [
      'no power to control',
      without(gpu(), 'powerControl'),
      {},
      { do: 'power', to: 'on' },
      /has no power\/control/,
    ],
  ];
  for (const [name, device, rule, entry, reason] of rows) {
    it(`${reason ? 'refuses' : 'takes'} ${name}`, () => {
      const refusal = betweenRefusal(device, rule, entry);
      if (reason) assert.match(refusal?.[0] ?? '', reason);
      else assert.equal(refusal, undefined);
    });
  }

  it('judges no device that is not there yet', () => {
    const planned = planBetween(gpu({ expected: true }), { between: [reset] }, undefined);
    assert.deepEqual(planned, { kind: 'between', between: [reset] });
  });

  it('takes a script to be in its place where nobody can look', () => {
    const rule = { between: [{ do: 'script', name: 'a.sh' } as const] };
    assert.deepEqual(planBetween(gpu(), rule, { guest: 'win 11' }), {
      kind: 'between',
      between: [
        {
          do: 'script',
          name: 'a.sh',
          guest: 'win 11',
          path: '/etc/libvirt/hooks/qemu.d/win 11/prepare/between/a.sh',
        },
      ],
    });
  });
});
