import { inspectMdevs } from '../../engine/inspect-mdevs.ts';
import { escapeControl } from '../../text.ts';
import { hostOption, jsonOption, machineOption, type Command } from '../command.ts';
import { mdevsJson } from '../render/mdevs-json.ts';
import { mdevsText } from '../render/mdevs.ts';

/** `vfio-hook mdev`: mediated devices that there are and that there could be. */
export const mdev: Command = {
  name: 'mdev',
  about: 'list mediated devices, who has them, and what more could be made',
  details:
    'Lists the parents of mediated devices (GVT-g, NVIDIA vGPU), their types and how many more of each there could\n' +
    'be, the devices that are there with the guest that has each, and what mdevctl has defined. Of other graphics\n' +
    'cards it says why nothing can be made of them. Changes nothing. Works without root; what only root can see is\n' +
    'then left out.',
  operands: [],
  options: [hostOption, jsonOption, machineOption],
  examples: ['sudo vfio-hook mdev', 'vfio-hook mdev --json'],
  run: (call, terminal) => {
    const engine = terminal.openEngine(call);
    const inspection = inspectMdevs(engine);
    for (const note of inspection.notes) terminal.say(`vfio-hook: note: ${escapeControl(note)}`);
    const names = terminal.names(engine.host);
    if (call.options.has('json')) terminal.json(mdevsJson(inspection, names));
    else terminal.print(mdevsText(inspection, { ...terminal, names }));
    return 0;
  },
};
