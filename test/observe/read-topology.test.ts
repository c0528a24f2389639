import assert from 'node:assert/strict';
import { createMachine } from '../../simulator/machine.ts';
import { readTopology } from '../../src/observe/read-topology.ts';
import { machineSpec } from '../scenario.ts';

describe('readTopology', () => {
  it('has every device in order, with the bridge above it, its NUMA node and its link', () => {
    const spec = machineSpec('server-8-gpu');
    const places = readTopology(createMachine(spec).host());
    assert.equal(places.length, spec.devices.length + 2, 'and two virtual functions');
    const of = (address: string): unknown => places.find((place) => place.address === address);
    assert.deepEqual(of('0000:4e:00.0'), {
      address: '0000:4e:00.0',
      parent: '0000:4c:10.0',
      rootBus: '0000:4a',
      numaNode: 0,
      link: { speed: 8, width: 8, maxSpeed: 16, maxWidth: 16 },
    });
    assert.deepEqual(of('0000:b0:02.0'), { address: '0000:b0:02.0', rootBus: '0000:b0', numaNode: 1 });
  });

  it('goes without what cannot be read: a card without power', () => {
    const host = createMachine(machineSpec('laptop-hybrid')).host();
    const places = readTopology({
      ...host,
      read: (path) => {
        if (path.includes('0000:01:00.0/current_link'))
          throw Object.assign(new Error('EINVAL'), { code: 'EINVAL' });
        return host.read(path);
      },
    });
    const linkOf = (address: string): unknown => places.find((place) => place.address === address)?.link;
    assert.equal(linkOf('0000:01:00.0'), undefined);
    assert.notEqual(linkOf('0000:01:00.1'), undefined);
  });

  it('says no NUMA node where the kernel knows none', () => {
    const places = readTopology(createMachine(machineSpec('laptop-hybrid')).host());
    assert.deepEqual(
      places.filter(({ numaNode }) => numaNode !== undefined),
      [],
    );
  });
});
