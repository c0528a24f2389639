import assert from 'node:assert/strict';
import { silentDevices } from '../../src/observe/silent-devices.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import { failureOf, pci } from '../scenario.ts';
import { fakeHost } from '../host/fake-host.ts';
import { example } from '../simulator/machines.ts';

const cards = ['0000:03:00.0', '0000:03:00.1', '0000:04:00.0', '0000:05:00.0'].map(pci);
const [dead = cards[0]!, alive = cards[0]!] = cards;

describe('silentDevices', () => {
  it('names those whose configuration space is all ones', async () => {
    const answers = new Map([
      [dead, new Uint8Array(15).fill(0xff)],
      [alive, new Uint8Array(15).fill(0x80)],
      [cards[2], new Uint8Array(2).fill(0xff)],
    ]);
    const host = {
      ...fakeHost({}),
      readSlow: (path: string) => {
        const bytes = answers.get(cards.find((card) => path === sysfs.attribute(card, 'config')));
        return Promise.resolve({ kind: 'read' as const, ...(bytes && { bytes }) });
      },
    };
    assert.deepEqual(await silentDevices(host, cards, 100), [dead]);
  });

  it('does not name a virtual function, whose ids are ones', async () => {
    const host = example('sriov-nic').host();
    const functions = ['0000:17:00.0', '0000:17:02.0'].map(pci);
    assert.deepEqual(
      host.readBytes(sysfs.attribute(functions[1]!, 'config'), 4),
      new Uint8Array(4).fill(0xff),
    );
    assert.deepEqual(await silentDevices(host, functions, 100), []);
  });

  it('says which card it is that does not return', async () => {
    const host = {
      ...fakeHost({}),
      readSlow: (path: string) => Promise.resolve({ kind: 'stuck' as const, path }),
    };
    const error = await failureOf(silentDevices(host, [dead], 100));
    assert.deepEqual([error.code, error.path], ['VH_STUCK', sysfs.attribute(dead, 'config')]);
  });
});
