import assert from 'node:assert/strict';
import { createMachine } from '../../simulator/machine.ts';
import type { MachineSpec } from '../../simulator/spec.ts';
import { VfioHookError } from '../../src/errors.ts';
import { cardsOf } from '../../src/observe/cards.ts';
import { machineSpec, pci } from '../scenario.ts';

/** The devices, in parts of one card each. */
function cards(spec: MachineSpec, ...addresses: readonly string[]): string[][] {
  const devices = addresses.map(pci);
  const cardOf = cardsOf(createMachine(spec).host(), devices);
  const parts = new Map<string, string[]>();
  for (const device of devices) parts.set(cardOf(device), [...(parts.get(cardOf(device)) ?? []), device]);
  return [...parts.values()];
}

describe('cardsOf', () => {
  it('takes the functions of a slot for one card', () => {
    assert.deepEqual(
      cards(machineSpec('amd-rdna3-desktop'), '0000:03:00.0', '0000:03:00.1', '0000:0f:00.3'),
      [['0000:03:00.0', '0000:03:00.1'], ['0000:0f:00.3']],
    );
  });

  it('takes graphics and sound behind the card’s own switch for one card', () => {
    assert.deepEqual(cards(machineSpec('intel-arc'), '0000:03:00.0', '0000:04:00.0', '0000:06:00.0'), [
      ['0000:03:00.0', '0000:04:00.0'],
      ['0000:06:00.0'],
    ]);
  });

  it('takes cards behind a switch of the board for cards of their own', () => {
    assert.deepEqual(cards(machineSpec('server-8-gpu'), '0000:19:00.0', '0000:1a:00.0', '0000:4d:00.0'), [
      ['0000:19:00.0'],
      ['0000:1a:00.0'],
      ['0000:4d:00.0'],
    ]);
  });

  it('takes cards behind a bridge at the root bus for cards of their own, whoever made it', () => {
    const behind = { '0000:03:00.0': { behind: '0000:00:01.0' }, '0000:04:00.0': { behind: '0000:00:01.0' } };
    assert.deepEqual(cards(machineSpec('intel-arc', {}, behind), '0000:03:00.0', '0000:04:00.0'), [
      ['0000:03:00.0'],
      ['0000:04:00.0'],
    ]);
  });

  it('looks no further up than the first bridge of another maker', () => {
    // A board's switch, and two cards of Intel with a switch each behind it.
    const board = { vendor: '10b5' };
    const spec = machineSpec('intel-arc', {}, { '0000:01:00.0': board });
    assert.deepEqual(cards(spec, '0000:03:00.0', '0000:04:00.0'), [['0000:03:00.0'], ['0000:04:00.0']]);
  });

  it('takes devices that are gone for cards of their own', () => {
    assert.deepEqual(cards(machineSpec('server-8-gpu'), '0000:7e:00.0', '0000:7f:00.0'), [
      ['0000:7e:00.0'],
      ['0000:7f:00.0'],
    ]);
  });

  it('takes all for one card where the kernel does not tell', () => {
    const host = createMachine(machineSpec('server-8-gpu')).host();
    const mute = {
      ...host,
      readLink: () => {
        throw new VfioHookError('VH_KERNEL', 'EIO');
      },
    };
    const devices = ['0000:19:00.0', '0000:4d:00.0'].map(pci);
    const cardOf = cardsOf(mute, devices);
    assert.equal(new Set(devices.map(cardOf)).size, 1);
  });

  it('reads nothing for a single card', () => {
    const host = createMachine(machineSpec('amd-rdna3-desktop')).host();
    const asked = (path: string): never => {
      throw new Error(`${path} was read`);
    };
    const silent = { ...host, read: asked, readLink: asked };
    const devices = ['0000:03:00.0', '0000:03:00.1'].map(pci);
    const cardOf = cardsOf(silent, devices);
    assert.equal(new Set(devices.map(cardOf)).size, 1);
  });
});
