import { listVgpus } from '../../engine/list-vgpus.ts';
import { hostOption, jsonOption, machineOption, type Command } from '../command.ts';
import { vgpusJson, vgpusText } from '../render/vgpus.ts';

/** `vfio-hook vgpu`: what NVIDIA cards offer on virtual functions that stay on their driver, and who has it. */
export const vgpu: Command = {
  name: 'vgpu',
  about: 'list vGPUs of NVIDIA cards, who has them, and what could be made',
  details:
    'Lists the NVIDIA cards that can have virtual functions: what lives on each of these and whose it is, how many\n' +
    'are free, and which vGPU types a free one could be now. That is for drivers of branch 550 and later, whose\n' +
    'virtual functions stay on the driver nvidia. Changes nothing. Works without root; who has something open is\n' +
    'left out then.',
  operands: [],
  options: [hostOption, jsonOption, machineOption],
  examples: ['sudo vfio-hook vgpu', 'vfio-hook vgpu --json'],
  run: async (call, terminal) => {
    const engine = terminal.openEngine(call);
    const cards = await listVgpus(engine);
    const names = terminal.names(engine.host);
    if (call.options.has('json')) terminal.json(vgpusJson(cards, names));
    else terminal.print(vgpusText(cards, names));
    return 0;
  },
};
