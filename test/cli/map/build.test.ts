import assert from 'node:assert/strict';
import { buildMap, linkWords } from '../../../src/cli/map/build.ts';
import type { MapFunction, MapModel, MapNode } from '../../../src/cli/map/model.ts';
import { inspectGroups } from '../../../src/engine/inspect.ts';
import { readTopology } from '../../../src/observe/read-topology.ts';
import { allGroups } from '../../../src/observe/take-snapshot.ts';
import type { PciLink } from '../../../src/pci/topology.ts';
import { pciNames } from '../../../src/pci/names.ts';
import { guest, scenarios, type Scenario } from '../../scenario.ts';
import { pciIdsOf } from '../pci-ids.ts';

async function mapOf(on: Scenario, everything = false): Promise<MapModel> {
  const engine = on.engine();
  const { groups } = await inspectGroups(engine, allGroups(engine.host));
  const devices = groups.flatMap((group) => group.devices.map(({ device }) => device));
  return buildMap({
    places: readTopology(engine.host),
    devices: new Map(devices.map((device) => [device.address, device])),
    groups,
    names: pciNames(pciIdsOf(on.machine.state().spec)),
    everything,
    kernelRelease: '6.12',
    time: new Date(on.time.now),
  });
}

/** A node as a line, what is behind it below, further in. */
function outline(nodes: readonly MapNode[], indent = ''): string[] {
  return nodes.flatMap((node) =>
    node.kind === 'bridge'
      ? [`${indent}${node.function.address}`, ...outline(node.children, `${indent}  `)]
      : [`${indent}${node.functions.map(({ address }) => address).join(' + ')}`],
  );
}

function functionsIn(nodes: readonly MapNode[]): MapFunction[] {
  return nodes.flatMap((node) =>
    node.kind === 'card' ? node.functions : [node.function, ...functionsIn(node.children)],
  );
}

function functionAt({ roots }: MapModel, address: string): MapFunction {
  const found = roots
    .flatMap(({ children }) => functionsIn(children))
    .find((each) => each.address === address);
  assert.ok(found, `${address} is not drawn`);
  return found;
}

describe('buildMap', () => {
  const scenario = scenarios();

  it('follows the bridges, and puts the functions of a slot into one card', async () => {
    const { roots } = await mapOf(scenario({ host: 'amd-rdna3-desktop' }));
    assert.deepEqual(outline(roots[0]!.children).slice(0, 6), [
      '0000:00:01.1',
      '  0000:01:00.0',
      '    0000:02:00.0',
      '      0000:03:00.0 + 0000:03:00.1',
      '0000:00:01.2',
      '  0000:04:00.0',
    ]);
    assert.equal(roots[0]!.folded, '3 parts of the chipset');
  });

  it('counts empty ports, unless everything is asked for', async () => {
    const on = scenario({ host: 'laptop-hybrid' });
    await on.byHand('/sys/bus/pci/devices/0000:02:00.0/remove', '1');
    const few = await mapOf(on);
    assert.equal(few.roots[0]!.folded, '1 port with nothing behind, 1 part of the chipset');
    const all = await mapOf(on, true);
    assert.equal(all.roots[0]!.folded, undefined);
    assert.equal(functionsIn(all.roots[0]!.children).length, Object.keys(on.machine.state().devices).length);
  });

  it('says a NUMA node once for a root bus', async () => {
    const { roots } = await mapOf(scenario({ host: 'server-8-gpu' }));
    assert.deepEqual(
      roots.map(({ bus, numaNode }) => [bus, numaNode]),
      [
        ['0000:00', 0],
        ['0000:16', 0],
        ['0000:4a', 0],
        ['0000:89', 1],
        ['0000:b0', 1],
        ['0000:c9', 1],
      ],
    );
    assert.ok(!JSON.stringify(roots.map(({ children }) => children)).includes('NUMA'));
  });

  it('says it of each device where they differ', async () => {
    const on = scenario({ devicesOfHost: { '0000:03:00.0': { numaNode: 1 } } });
    assert.ok(functionAt(await mapOf(on), '0000:03:00.0').facts.includes('NUMA node 1'));
  });

  it('names the guest that has a card, and the driver that it came from', async () => {
    const on = scenario();
    await on.prepare(guest('win11', '0000:03:00.0'));
    const map = await mapOf(on);
    const { state, stateWord, facts, description } = functionAt(map, '0000:03:00.0');
    assert.deepEqual([state, stateWord], ['held', 'win11']);
    assert.deepEqual(facts.slice(0, 3), ['VGA compatible controller', 'vfio-pci', 'host: amdgpu']);
    assert.ok(description.includes('IOMMU group 16: guest "win11" has it since 2026-01-02T03:04:05.000Z'));
    // The verdict is said once for the card.
    assert.equal(functionAt(map, '0000:03:00.1').stateWord, '');
  });

  it('says what is in the way, and says it of nothing that only cannot be given itself', async () => {
    const desktop = await mapOf(scenario({ host: 'nvidia-desktop' }));
    assert.equal(functionAt(desktop, '0000:00:1f.4').stateWord, 'in the way');
    assert.equal(functionAt(desktop, '0000:00:1f.0').stateWord, 'cannot be given');
    assert.equal(desktop.notes.length, 2);
    const server = await mapOf(scenario({ host: 'server-8-gpu' }));
    assert.equal(functionAt(server, '0000:b1:00.0').stateWord, 'cannot be given');
    assert.deepEqual(server.notes, []);
  });

  it('colours the groups that have something for guests', async () => {
    const { groups } = await mapOf(scenario({ host: 'nvidia-desktop' }));
    assert.deepEqual(
      groups.filter(({ coloured }) => coloured).map(({ number }) => number),
      [1, 2, 4, 8, 9],
    );
  });

  it('draws a host without an IOMMU, and says so', () => {
    const on = scenario({ machine: { iommu: false } });
    const { host } = on.engine();
    const places = readTopology(host);
    const { subtitle, roots, groups, notes } = buildMap({
      places,
      devices: new Map(),
      groups: [],
      names: pciNames(),
      everything: true,
      kernelRelease: '6.12',
      time: new Date(0),
    });
    assert.match(subtitle, /no IOMMU groups: the IOMMU is off/);
    // How to switch it on.
    assert.equal(notes.length, 1);
    assert.match(notes[0]!, /VT-d .*AMD-Vi.*firmware setup.*intel_iommu=on/);
    assert.deepEqual(groups, []);
    assert.equal(functionsIn(roots[0]!.children).length, places.length);
    assert.ok(functionsIn(roots[0]!.children).every(({ state }) => state === 'none'));
  });
});

describe('linkWords', () => {
  const links: Readonly<Record<string, PciLink>> = {
    'x16 16 GT/s': { speed: 16, width: 16, maxSpeed: 16, maxWidth: 16 },
    'x16, 2.5 of 16 GT/s': { speed: 2.5, width: 16, maxSpeed: 16, maxWidth: 16 },
    'x8 of x16, 16 GT/s': { speed: 16, width: 8, maxSpeed: 16, maxWidth: 16 },
    'x4 8 GT/s': { speed: 8, width: 4 },
    x1: { width: 1 },
  };
  for (const [words, link] of Object.entries(links)) {
    it(words, () => {
      assert.equal(linkWords(link), words);
    });
  }
});
