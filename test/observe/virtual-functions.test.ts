import assert from 'node:assert/strict';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import { openFunction, routingOf, virtualFunctions } from '../../src/observe/virtual-functions.ts';
import { machineSpec, pci } from '../scenario.ts';
import { attribute, toVfio } from '../simulator/machines.ts';

const PF = pci('0000:02:00.0');

async function withFunctions(count: number): Promise<Machine> {
  const machine = createMachine(machineSpec('lab-q35'));
  await machine.host().write(attribute(PF, 'sriov_numvfs'), String(count), 100);
  return machine;
}

describe('virtual functions of a card', () => {
  it('are in the order of their numbers, also above nine', async () => {
    const machine = createMachine(machineSpec('sriov-nic'));
    await machine.host().write(attribute('0000:17:00.1', 'sriov_numvfs'), '12', 100);
    const functions = virtualFunctions(machine.host(), pci('0000:17:00.1'));
    assert.equal(functions.length, 12);
    assert.deepEqual(
      [functions[0], functions[2], functions[11]],
      ['0000:17:0a.0', '0000:17:0a.2', '0000:17:0b.3'],
    );
  });

  it('are none of a card that has none, makes none or is not there', async () => {
    const host = (await withFunctions(0)).host();
    for (const card of [PF, '0000:03:00.0', '0000:7f:00.0'])
      assert.deepEqual(virtualFunctions(host, pci(card)), []);
  });

  it('are where the card says', async () => {
    const host = (await withFunctions(0)).host();
    assert.deepEqual(routingOf(host, PF), { offset: 128, stride: 2, total: 7 });
    assert.equal(routingOf(host, pci('0000:03:00.0')), undefined);
  });

  it('are there while a guest keeps one that the card has no link to any more', async () => {
    const machine = await withFunctions(2);
    const host = machine.host();
    await toVfio(host, '0000:02:10.0');
    machine.perform({ do: 'open-group', devices: ['0000:02:10.0'], guest: 'a', pid: 4711 });
    assert.equal((await host.write(attribute(PF, 'sriov_numvfs'), '0', 100)).kind, 'stuck');
    assert.equal(host.readLink(attribute(PF, 'virtfn0')), undefined);
    assert.deepEqual([...virtualFunctions(host, PF)].sort(), ['0000:02:10.0', '0000:02:10.2']);
    assert.equal(openFunction(host, PF), '0000:02:10.0 is open in guest "a" (pid 4711)');
    machine.perform({ do: 'close-group', guest: 'a' });
    assert.deepEqual(virtualFunctions(host, PF), []);
  });

  it('are open when a guest has one, whichever', async () => {
    const machine = await withFunctions(3);
    const host = machine.host();
    await toVfio(host, '0000:02:10.0', '0000:02:10.4');
    assert.equal(openFunction(host, PF), undefined);
    machine.perform({ do: 'open-group', devices: ['0000:02:10.4'], guest: 'a', pid: 4711 });
    assert.equal(openFunction(host, PF), '0000:02:10.4 is open in guest "a" (pid 4711)');
    machine.perform({ do: 'close-group', guest: 'a' });
    assert.equal(openFunction(host, PF), undefined);
  });
});
