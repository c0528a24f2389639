import { advice } from '../../hint.ts';
import { inspectGroups } from '../../engine/inspect.ts';
import { VfioHookError } from '../../errors.ts';
import { kernelRelease } from '../../observe/kernel-release.ts';
import { readDevice } from '../../observe/read-device.ts';
import { readTopology } from '../../observe/read-topology.ts';
import { readableHost } from '../../observe/readable.ts';
import { allGroups } from '../../observe/take-snapshot.ts';
import { escapeControl, quoteName } from '../../text.ts';
import { hostOption, machineOption, type Command } from '../command.ts';
import { buildMap } from '../map/build.ts';
import { mapPage } from '../map/html.ts';
import { drawMap } from '../map/svg.ts';

/** `vfio-hook map`: the PCI topology with its IOMMU groups as one file to look at. */
export const map: Command = {
  name: 'map',
  about: 'draw the PCI devices with their IOMMU groups, as HTML or SVG',
  details:
    'Draws which device is behind which bridge, with IOMMU groups, drivers, links, NUMA nodes, the guests that\n' +
    'hold devices, and whether a guest could be given a group, by the very code that the hook runs. Prints one\n' +
    'file for a browser that needs no script and no network. It holds names of devices and guests, no serial\n' +
    'numbers and no name of the host. Changes nothing. Works without root; what only root can see is left out.',
  operands: [],
  options: [
    {
      name: 'format',
      value: 'html|svg',
      about: 'a page with the drawing and a table (html, the default), or the drawing alone',
    },
    { name: 'all', about: 'draw also ports with nothing behind them and parts of the chipset' },
    hostOption,
    machineOption,
  ],
  examples: ['vfio-hook map > topology.html', 'sudo vfio-hook map --format svg > topology.svg'],
  run: async (call, terminal) => {
    const format = call.options.get('format') ?? 'html';
    if (format !== 'html' && format !== 'svg') {
      throw new VfioHookError('VH_USAGE', `there is no format ${quoteName(String(format))}`, {
        hints: [advice('the formats are html and svg')],
      });
    }
    const engine = terminal.openEngine(call);
    const { host } = readableHost(engine.host);
    const inspection = await inspectGroups(engine, allGroups(host));
    for (const note of inspection.notes) terminal.say(`vfio-hook: note: ${escapeControl(note)}`);
    const inspected = new Map(
      inspection.groups.flatMap(({ devices }) =>
        devices.map(({ device }) => [device.address, device] as const),
      ),
    );
    const places = readTopology(host);
    const devices = new Map(
      places.flatMap(({ address }) => {
        // A device without a group: what it is can be read, an override or virtual functions say nothing here.
        const device = inspected.get(address) ?? readDevice(host, address, new Map());
        return device ? [[address, device] as const] : [];
      }),
    );
    const model = buildMap({
      places,
      devices,
      groups: inspection.groups,
      names: terminal.names(host),
      everything: call.options.has('all'),
      kernelRelease: kernelRelease(host),
      time: engine.clock(),
    });
    terminal.data((format === 'html' ? mapPage(model) : drawMap(model, { standalone: true })).trimEnd());
    return 0;
  },
};
